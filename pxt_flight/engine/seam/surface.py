"""What Pixeltable's users have: the names of its public API, found and not written down."""

from collections.abc import Iterator
from types import ModuleType

import pixeltable

_CLASSES = (pixeltable.Table, pixeltable.Query)


def public_names() -> list[str]:
    """Every public name: of the package (`create_table`), its classes of tables and queries (`Table.insert`) and `io`, sorted by those."""
    return [*_package_names(), *_members(), *_io_names()]


def _package_names() -> Iterator[str]:
    return (name for name in sorted(pixeltable.__all__) if not isinstance(getattr(pixeltable, name), ModuleType))


def _members() -> Iterator[str]:
    for owner in _CLASSES:
        yield from (f"{owner.__name__}.{name}" for name in sorted(dir(owner)) if not name.startswith("_"))


def _io_names() -> Iterator[str]:
    return (f"io.{name}" for name in sorted(pixeltable.io.__all__) if not isinstance(getattr(pixeltable.io, name), ModuleType))
