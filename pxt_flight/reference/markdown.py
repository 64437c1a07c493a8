"""Parts of Markdown."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Args:
        titles: of its columns.
        rows: their cells; what would end one is escaped.
    """
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def code(text: str) -> str:
    """Text as it is typed."""
    return f"`{text}`"


def block(language: str, text: str) -> str:
    """Lines as they are typed."""
    return f"```{language}\n{text}\n```"


def page(*parts: str) -> str:
    """Parts with a line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
