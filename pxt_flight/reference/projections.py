"""What is made from the registry, each by its name: paths of files in the checkout, and their texts."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from pxt_flight.documented import listed
from pxt_flight.engine.seam.surface import public_names
from pxt_flight.operations.dispatch import import_operations
from pxt_flight.public_api import Operation, operations
from pxt_flight.reference import client, coverage, examples, functions, listing, pages, permissions, typescript

TREE = Path(__file__).parents[2]


def _pages(registered: tuple[Operation, ...]) -> dict[str, str]:
    shown = examples.read_recorded((TREE / examples.PATH).read_text(encoding="utf-8"))
    return pages.render(registered, shown, (entry.category for entry in listed()))


PROJECTIONS: dict[str, Callable[[tuple[Operation, ...]], dict[str, str]]] = {
    "client": lambda registered: {client.PATH: client.render(registered)},
    "coverage": lambda registered: coverage.render(public_names(), registered, version("pixeltable")),
    "functions": lambda _: functions.render(listed()),
    "outline": lambda registered: {listing.OPML_PATH: listing.opml(registered)},
    "pages": _pages,
    "permissions": lambda registered: {permissions.PATH: permissions.render(registered)},
    "typescript": lambda registered: {typescript.PATH: typescript.render(registered)},
}


def product_operations() -> tuple[Operation, ...]:
    """The product's operations in the order of its modules, whatever was imported first, without those that others may have registered."""
    import_operations()
    ours = (operation for operation in operations() if operation.function.__module__.startswith("pxt_flight."))
    return tuple(sorted(ours, key=lambda operation: (operation.function.__module__, operation.function.__code__.co_firstlineno)))


def project(name: str) -> dict[str, str]:
    """The files of a projection of the product's operations: text by path.

    Args:
        name: one of `PROJECTIONS`.
    """
    return PROJECTIONS[name](product_operations())
