"""What the server knows of a call beside its arguments."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pxt_flight.access.grants import Signer
from pxt_flight.access.limits import RateLimits
from pxt_flight.access.principals import Principal
from pxt_flight.engine.catalog import is_hidden
from pxt_flight.engine.destinations import Destinations
from pxt_flight.engine.engine import Engine
from pxt_flight.engine.writer import Writer
from pxt_flight.errors import error
from pxt_flight.operations.links import MediaLinks
from pxt_flight.public_api import find_operation

OnWait = Callable[[Callable[[], None] | None], None]


@dataclass(frozen=True)
class Call:
    """Who calls, the engine that answers, what writes to it, and what makes the URLs of media in the answer.

    Attributes:
        principal, engine, writer, links: those.
        signer: signs what the caller is to send again.
        limits: how often the caller may call what has a limit.
        destinations: where tables may be exported to.
        on_wait: told what ends the wait of a write for its turn, or the query that it reads, and None where there is nothing to end any
            more; it is called where the client leaves.
    """

    principal: Principal
    engine: Engine
    writer: Writer
    links: MediaLinks
    signer: Signer
    limits: RateLimits = field(default_factory=RateLimits)
    on_wait: OnWait | None = None
    destinations: Destinations = field(default_factory=Destinations)

    def require(self, name: str, table: str | None = None, *, version: str = "v1") -> None:
        """Check that the caller may run an operation, on a table where it names one.

        Args:
            name: the operation's qualified name.
            table: the table's path with slashes.
            version: the operation's version.

        Raises:
            PermissionDeniedError: the key lacks the permission.
            NotFoundError: it has it, but not for this table: a name that one may not see does not exist.
        """
        if table is None:
            self._require_permission(name, version)
        elif not self.sees(name, version)(table):
            self._require_permission(name, version)
            raise error("TABLE_NOT_FOUND", f"There is no table {table}.", where={"table": table})

    def require_directory(self, name: str, directory: str) -> None:
        """Check that the caller may run an operation on a directory, and on whatever may come to be in it.

        Raises:
            PermissionDeniedError: the key lacks the permission.
            NotFoundError: it has it, but not for all of this directory.
        """
        self._require_permission(name)
        if is_hidden(directory) or not self.principal.covers(directory):
            raise error("DIRECTORY_NOT_FOUND", f"There is no directory {directory}.", where={"directory": directory})

    def sees(self, name: str, version: str = "v1") -> Callable[[str], bool]:
        """Whether the caller may run an operation on a table, by the path of that."""
        operation = find_operation(name, version)
        return lambda path: self.principal.may(operation, path) and not is_hidden(path)

    def _require_permission(self, name: str, version: str = "v1") -> None:
        operation = find_operation(name, version)
        if not self.principal.may(operation):
            raise error("permission_denied", f"This key may not {operation.permission}.", hint="Ask the owner for a key that may.")
