"""Changes of a table after which no plan of it may be used as it was. Run as a program, it makes them from another process.

Its lines of input are `change path`; each is answered by a line `done`.
"""

import sys
from typing import Any


def insert(pxt: Any, path: str) -> None:
    """More rows."""
    pxt.get_table(path).insert([{"id": 100, "v": 7, "s": "late"}])


def update(pxt: Any, path: str) -> None:
    """Other values."""
    table = pxt.get_table(path)
    table.update({"v": table.v + 1}, where=table.id > 3)


def delete(pxt: Any, path: str) -> None:
    """Fewer rows."""
    table = pxt.get_table(path)
    table.delete(where=table.id == 2)


def revert(pxt: Any, path: str) -> None:
    """The version before."""
    pxt.get_table(path).revert()


def add_column(pxt: Any, path: str) -> None:
    """A column of NULLs."""
    pxt.get_table(path).add_column(extra=pxt.Int | None)


def add_computed_column(pxt: Any, path: str) -> None:
    """A column with values."""
    table = pxt.get_table(path)
    table.add_computed_column(more=table.v * 10)


def drop_column(pxt: Any, path: str) -> None:
    """One column less."""
    pxt.get_table(path).drop_column("s")


def rename_column(pxt: Any, path: str) -> None:
    """The same column under another name."""
    pxt.get_table(path).rename_column("s", "text")


def exchange_names(pxt: Any, path: str) -> None:
    """Two columns of one type, each under the other's name."""
    table = pxt.get_table(path)
    for old, new in (("id", "x"), ("v", "id"), ("x", "v")):
        table.rename_column(old, new)


def renew(pxt: Any, path: str) -> None:
    """Another table of the same name, with as many versions and other types."""
    pxt.drop_table(path)
    pxt.create_table(path, {"id": pxt.String, "v": pxt.Float | None}).insert([{"id": "a", "v": 0.5}, {"id": "b", "v": None}])


CHANGES = {
    change.__name__: change
    for change in (insert, update, delete, revert, add_column, add_computed_column, drop_column, rename_column, exchange_names, renew)
}

if __name__ == "__main__":
    import pixeltable

    print("ready", flush=True)  # noqa: T201  # read by the test
    for line in sys.stdin:
        name, where = line.split()
        CHANGES[name](pixeltable, where)
        print("done", flush=True)  # noqa: T201
