"""Receipts: a row of ours for each write, in the write's own transaction, so that it is there exactly if the write is.

A receipt answers a client that asks again under its idempotency key, tells after a lost answer to COMMIT whether the write took place, and
is the history of who wrote what.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError

from pxt_flight.engine.store import Connection
from pxt_flight.engine.written import Asked, Written
from pxt_flight.errors import error

Execute = Callable[..., list[Any]]
"""Runs a statement with named parameters in the transaction of the write: `seam.writes.execute`."""

# A key holds for a day. An older key is free again; its write stays in the history.
_FREE = """
UPDATE pxt_flight.writes SET idempotency_key = NULL
WHERE key_id = :key_id AND idempotency_key = :idempotency_key AND created_at <= now() - interval '24 hours'
"""
_CLAIM = """
INSERT INTO pxt_flight.writes (id, table_id, table_path, kind, key_id, idempotency_key, digest)
VALUES (:id, :table_id, :table_path, :kind, :key_id, :idempotency_key, :digest)
"""
# The clock of now, not of the begin of the transaction, which is before its locks: the order in which a table was written.
_SETTLE = """
UPDATE pxt_flight.writes SET table_id = :table_id, version = :version, result = CAST(:result AS jsonb), created_at = clock_timestamp()
WHERE id = :id
"""
_DISCARD = "DELETE FROM pxt_flight.writes WHERE id = :id"
_FIND = """
SELECT table_path, table_id, kind, digest, result FROM pxt_flight.writes
WHERE key_id = %s AND idempotency_key = %s AND created_at > now() - interval '24 hours'
"""
# Waits for a transaction that has the id and is about to end, which a SELECT would not.
_PROBE = """
INSERT INTO pxt_flight.writes (id, table_path, kind, key_id, digest) VALUES (%s, '', '', '', '') ON CONFLICT (id) DO NOTHING
"""
_RESULT = "SELECT result FROM pxt_flight.writes WHERE id = %s"
_HISTORY = """
SELECT w.version, w.kind, w.created_at, k.name, w.result FROM pxt_flight.writes w LEFT JOIN pxt_flight.keys k ON k.id::text = w.key_id
WHERE w.table_id = %s ORDER BY w.created_at DESC, w.version DESC LIMIT %s
"""


class RepeatedError(Exception):
    """The id of this write, or its idempotency key, is that of a write which took place."""


@dataclass(frozen=True)
class WriteRecord:
    """One entry of a table's history.

    Attributes:
        version: the newest version that the write made, or the live one then, where it changed nothing.
        kind: of write.
        created_at: when, in UTC.
        created_by: the name of the key; None where the key is gone.
        inserted, updated, deleted, rejected: rows.
        tier: how rows were inserted; None where none were.
    """

    version: int
    kind: str
    created_at: datetime
    created_by: str | None
    inserted: int
    updated: int
    deleted: int
    rejected: int
    tier: str | None


class Receipt:
    """The receipt of one write, while that takes place.

    Args:
        path: of the table.
        table_id: of the store; None where the write itself makes the table.
        asked: by whom.
    """

    def __init__(self, path: str, table_id: UUID | None, asked: Asked) -> None:
        self._id = uuid4()
        self.path = path
        self.table_id = table_id
        self._asked = asked
        self._is_settled = False

    def claim(self, execute: Execute) -> None:
        """Take the idempotency key, first of all in the transaction; waits for another write that has just taken it.

        Raises:
            RepeatedError: that one took place, or this one did, in an earlier attempt whose end was not heard of.
        """
        asked = self._asked
        named = {"key_id": asked.key_id, "idempotency_key": asked.idempotency_key}
        try:
            if asked.idempotency_key is not None:
                execute(_FREE, **named)
            execute(_CLAIM, id=self._id, table_id=self.table_id, table_path=self.path, kind=asked.kind, digest=asked.digest, **named)
        except IntegrityError:
            raise RepeatedError from None

    def settle(self, execute: Execute, written: Written, table_id: UUID | None = None) -> None:
        """Say what was done, last of all in the transaction. Nothing is kept of what changed nothing, and has no key.

        Args:
            execute: in the transaction.
            written: what was done.
            table_id: of the table that it was done to, where it was made only now.
        """
        if self._asked.idempotency_key is None and not written.has_changed:
            execute(_DISCARD, id=self._id)
        else:
            execute(_SETTLE, id=self._id, table_id=table_id or self.table_id, version=written.version, result=json.dumps(written.to_json()))
        self._is_settled = True

    def found_after(self, fault: BaseException, receipts: "Receipts") -> Written:
        """What was done all the same, after a transaction that failed.

        Args:
            fault: how it failed.
            receipts: of the store.

        Raises:
            BaseException: the fault, where nothing was done.
            UnavailableError: `unavailable`, the store does not answer, so that it is not known.
            ConflictError: `idempotency_key_reused`.
        """
        written = receipts.by_id(self._id) if self._is_settled or isinstance(fault, RepeatedError) else None
        if written is None and isinstance(fault, RepeatedError):
            written = receipts.by_key(self._asked, self.path, self.table_id)
        if written is None:
            raise fault
        return written


class Receipts:
    """The receipts of a store.

    Args:
        connect: lends a connection to Pixeltable's Postgres, by Pixeltable's own login.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._connect = connect

    def by_key(self, asked: Asked, path: str, table_id: UUID | None = None) -> Written | None:
        """What was done under an idempotency key within the last 24 hours; None where nothing was, or there is no key.

        Args:
            asked: the same write again.
            path: of its table.
            table_id: of the store; None where the write itself makes the table.

        Raises:
            ConflictError: `idempotency_key_reused`, it was another write.
        """
        if asked.idempotency_key is None:
            return None
        with self._connect() as connection:
            row = connection.execute(_FIND, [asked.key_id, asked.idempotency_key]).fetchone()
        if row is None:
            return None
        was_path, was_id, kind, digest, result = row
        if (was_path, kind, bytes(digest)) != (path, asked.kind, asked.digest) or table_id not in (None, was_id):
            raise error(
                "idempotency_key_reused",
                "This idempotency key was used for another write.",
                hint="Nothing was written. Give each write a key of its own; to ask again, send exactly the same.",
                where={"argument": "idempotency_key"},
            )
        return replace(Written.from_json(result), repeated=True)

    def by_id(self, write_id: UUID) -> Written | None:
        """What a write of ours did; None where it did not take place, and will not.

        Raises:
            UnavailableError: `unavailable`, the store does not answer.
        """
        try:
            with self._connect() as connection:
                connection.execute("BEGIN")
                connection.execute(_PROBE, [write_id])
                row = connection.execute(_RESULT, [write_id]).fetchone()
                connection.execute("ROLLBACK")
        except Exception as fault:
            raise error(
                "unavailable",
                "The store was lost at the very end: whether it was written is not known.",
                hint="Ask again under the same idempotency key, which never writes twice; without one, look at the table first.",
            ) from fault
        return None if row is None or row[0] is None else Written.from_json(row[0])

    def history(self, table_id: UUID, limit: int | None = None) -> list[WriteRecord]:
        """The writes of a table, newest first.

        Args:
            table_id: of the store.
            limit: at most so many; default all.
        """
        with self._connect() as connection:
            rows = connection.execute(_HISTORY, [table_id, limit]).fetchall()
        counts = ("inserted", "updated", "deleted", "rejected", "tier")
        return [
            WriteRecord(version, kind, created_at, name, *(result.get(count) for count in counts))
            for version, kind, created_at, name, result in rows
        ]
