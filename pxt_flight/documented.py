"""What the public API lists beside its operations: parts that another package defines, and that are not ours to decorate."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """What documentation lists, and no wire serves.

    Attributes:
        name: its name.
        category: the page of the reference that it stands on.
        signatures: how it is called, one for each kind of its arguments.
        docstring: what it says of itself.
    """

    name: str
    category: str
    signatures: tuple[str, ...]
    docstring: str


_listed: dict[tuple[str, str], Listed] = {}


def list_in_docs(name: str, *, category: str, signatures: tuple[str, ...] = (), docstring: str = "") -> None:
    """Make a thing a part of the public API; it stays as it is.

    Args:
        name: its name: `clip`.
        category: the page of the reference: `functions.huggingface`.
        signatures: how it is called.
        docstring: what it says of itself.
    """
    _listed[category, name] = Listed(name, category, signatures, docstring)


def listed() -> tuple[Listed, ...]:
    """What `list_in_docs` was told, in that order."""
    return tuple(_listed.values())
