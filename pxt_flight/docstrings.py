"""What a docstring says, in the one form in which the project writes them: a summary, text, and sections of named entries."""

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):$")
_ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring.

    Attributes:
        summary: its first line.
        text: what stands between that and the sections, as Markdown.
        entries: what `Args:` or `Attributes:` say of each name.
        returns: what `Returns:` says.
    """

    summary: str = ""
    text: str = ""
    entries: dict[str, str] = field(default_factory=dict)
    returns: str = ""


def read_docstring(documented: object) -> Docstring:
    """The docstring of a function or class.

    Args:
        documented: the function or class.
    """
    return parse(inspect.getdoc(documented) or "")


def parse(text: str) -> Docstring:
    """The parts of a docstring whose indentation is cleaned."""
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for line in text.splitlines():
        if found := _SECTION.match(line):
            name = found[1]
        sections.setdefault(name, []).append("" if found else line)
    summary, _, rest = "\n".join(sections[""]).partition("\n")
    entries = _entries(sections.get("Args", []) + sections.get("Attributes", []))
    return Docstring(summary.strip(), rest.strip("\n").rstrip(), entries, " ".join(" ".join(sections.get("Returns", [])).split()))


def _entries(lines: list[str]) -> dict[str, str]:
    """`name: text`, four columns in, and its further lines eight; names that share a text stand before it together."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if not line.startswith(" " * 8) and (entry := _ENTRY.match(line.strip())):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
