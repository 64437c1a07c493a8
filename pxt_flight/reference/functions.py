"""`docs/reference/functions.*.md`: a table of Pixeltable's functions for each of its modules."""

from itertools import groupby

from pxt_flight.documented import Listed
from pxt_flight.reference.markdown import code, page, table
from pxt_flight.reference.pages import FOLDER, GENERATED

_INTRODUCTION = """\
Functions of Pixeltable, `pixeltable.{category}`, for computed columns and queries. They are Pixeltable's own, documented by it; which of
them SQL calls by name is told in the [guide to SQL](../sql.md).
"""


def render(listed: tuple[Listed, ...]) -> dict[str, str]:
    """The pages, by path.

    Args:
        listed: what documentation lists.
    """
    by_category = groupby(sorted(listed, key=lambda entry: entry.category), key=lambda entry: entry.category)
    return {f"{FOLDER}/{category}.md": _page(category, list(entries)) for category, entries in by_category}


def _page(category: str, entries: list[Listed]) -> str:
    rows = [
        ("<br>".join(code(f"{entry.name}{signature}") for signature in entry.signatures), _line(entry))
        for entry in sorted(entries, key=lambda entry: entry.name)
    ]
    return page(GENERATED, f"# {category}", _INTRODUCTION.format(category=category), table(("Function", ""), rows))


def _line(entry: Listed) -> str:
    """The first paragraph of what it says, on one line."""
    return " ".join(entry.docstring.partition("\n\n")[0].split())
