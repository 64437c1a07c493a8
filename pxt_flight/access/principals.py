"""Who is behind a key, and what that key may do."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from pxt_flight.public_api import Operation


@dataclass(frozen=True)
class Principal:
    """The holder of a key.

    Attributes:
        key_id: public id of the key; it stands in tickets and logs, the key never does.
        name: what the key was named.
        permissions: what it was granted: read, write, delete, schema, udf, admin.
        tables: patterns of table paths that the grant covers, `*` for all.
    """

    key_id: str
    name: str
    permissions: frozenset[str]
    tables: tuple[str, ...] = ("*",)

    def may(self, operation: Operation, table: str | None = None) -> bool:
        """Whether this principal may run an operation, on a table where it names one.

        Args:
            operation: the public operation.
            table: the table's path with slashes; None for an operation without one, or where each table is asked for by itself.
        """
        if operation.permission is not None and operation.permission not in self.permissions:
            return False
        return table is None or any(fnmatchcase(table, pattern) for pattern in self.tables)

    def covers(self, directory: str) -> bool:
        """Whether the grant covers whatever may come to be in a directory.

        Args:
            directory: its path with slashes; empty for the root.
        """
        inside = f"{directory}/" if directory else ""
        # What a pattern that ends in * takes of the beginning of a path, it takes of the whole.
        return any(pattern.endswith("*") and fnmatchcase(inside, pattern) for pattern in self.tables)
