"""What the server knows of a call beside its arguments."""

from collections.abc import Callable
from dataclasses import dataclass

from pxt_flight.access.principals import Principal
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
        on_wait: told what ends the wait of a write for its turn, or the query that it reads, and None where there is nothing to end any
            more; it is called where the client leaves.
    """

    principal: Principal
    engine: Engine
    writer: Writer
    links: MediaLinks
    on_wait: OnWait | None = None

    def require(self, name: str, table: str | None = None) -> None:
        """Check that the caller may run an operation, on a table where it names one.

        Raises:
            PermissionDeniedError: the key lacks the permission.
            NotFoundError: it has it, but not for this table: a name that one may not see does not exist.
        """
        operation = find_operation(name)
        if self.principal.may(operation, table):
            return
        if not self.principal.may(operation):
            raise error("permission_denied", f"This key may not {operation.permission}.", hint="Ask the owner for a key that may.")
        raise error("TABLE_NOT_FOUND", f"There is no table {table}.", where={"table": table})
