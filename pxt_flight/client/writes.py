"""Writes: each has a name, its idempotency key, so that asking again never writes twice."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from pxt_flight.client.batches import Batches
from pxt_flight.client.faults import is_lost
from pxt_flight.client.progress import WriteProgress
from pxt_flight.client.push import Push, read_answer
from pxt_flight.client.sources import Source
from pxt_flight.client.transport import Transport
from pxt_flight.client.written import Written
from pxt_flight.errors import PxtFlightError, error

Progress = bool | Callable[[int, int | None], object] | None
# Seconds before a lost write is asked for again: a server that comes back needs some, and gRPC waits as long before it connects anew.
_PAUSE = 1.0


class Writes:
    """The writes of one connection."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def rows(
        self,
        operation: str,
        source: Source,
        declared: pa.Schema | None,
        *,
        progress: Progress = None,
        whole_rows: bool = False,
        idempotency_key: str | None = None,
        **arguments: Any,
    ) -> Written:
        """Send rows to an operation. Where the connection is lost, they are sent once more, under the same key.

        Args:
            operation: that takes rows.
            source: the rows.
            declared: the columns of the table; None where there is no table yet.
            progress: see `Table.insert`.
            whole_rows: see `Batches`.
            idempotency_key: default a new one.
            arguments: of the operation, with `table`.

        Raises:
            PxtFlightError: nothing was written; or, of a lost connection, what its hint says.
        """
        key = idempotency_key or str(uuid.uuid4())
        command: dict[str, Any] = {operation: arguments | {"idempotency_key": key}, "ends": True, "progress": True}
        ended = False
        for _ in range(2):
            batches = Batches(source, declared, whole_rows=whole_rows)
            with self._transport.push(command, batches.schema) as push, WriteProgress(progress, source.rows) as bar:
                try:
                    return self._sent(push, batches, bar)
                except PxtFlightError as fault:
                    if not is_lost(fault):
                        raise
                    ended = ended or push.ended
                except KeyboardInterrupt as interrupt:
                    if push.ended:
                        interrupt.add_note(f"All rows were sent: the server may still write them, with the idempotency_key {key!r}.")
                    raise
            if not source.is_repeatable:
                break
            time.sleep(_PAUSE)
        return self._asked_for(operation, command[operation], batches.schema, ended=ended)

    def call(self, action: str, *, idempotency_key: str | None = None, **arguments: Any) -> Written:
        """Run an operation that needs no rows, and once more under the same key where the connection is lost.

        Args:
            action: its name.
            idempotency_key: default a new one.
            arguments: of the operation.

        Raises:
            PxtFlightError: what the server says.
        """
        arguments["idempotency_key"] = idempotency_key or str(uuid.uuid4())
        try:
            return Written.from_answer(self._transport.call(action, **arguments))
        except PxtFlightError as fault:
            if not is_lost(fault):
                raise
        time.sleep(_PAUSE)
        return Written.from_answer(self._transport.call(action, **arguments))

    def latest(self, table: str, limit: int | None) -> list[dict[str, Any]]:
        """What writes of a table did, newest first, as the server tells it."""
        writes: list[dict[str, Any]] = self._transport.call("table.writes", table_path=table, limit=limit)
        return writes

    def _sent(self, push: Push, batches: Batches, bar: WriteProgress) -> Written:
        for batch in batches:
            push.send(batch, bar.draw)
            bar.sent(batch.num_rows, batch.nbytes)
        answer, rejected = read_answer(push.end(bar.draw), bar.written)
        self._transport.warn()
        return Written.from_answer(answer, rejected)

    def _asked_for(self, operation: str, arguments: dict[str, Any], schema: pa.Schema, *, ended: bool) -> Written:
        """What became of a write whose answer was lost, and whose rows cannot be sent again.

        It is asked for under its key, without rows: where it took place, the server refuses the key to these; where it did not, they are
        written in its place, and it cannot be any more.
        """
        lost = "The connection to the server was lost."
        if not ended:
            raise error("unavailable", lost, hint="Nothing was written; send the rows again.")
        if operation == "pixeltable.create_table":
            raise error("unavailable", lost, hint="If the table is there now, it has all of its rows.")
        try:
            with self._transport.push({operation: arguments, "ends": True}, schema) as push:
                read_answer(push.end(), lambda *_: None)
        except PxtFlightError as fault:
            if fault.code != "idempotency_key_reused":
                hint = f"Whether it was written is told by the same call with no rows and idempotency_key={arguments['idempotency_key']!r}."
                raise error("unavailable", lost, hint=hint) from None
            done = self.latest(arguments["table_path"], 1)[0]
            return Written.from_answer(done | {"table": arguments["table_path"], "repeated": True})
        raise error("unavailable", lost, hint="Nothing was written; send the rows again.")
