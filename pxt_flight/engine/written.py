"""What is asked of a write beside its rows, and what it did."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from pxt_flight.engine.scan import OnOpen
from pxt_flight.errors import error

WriteKind = Literal["insert", "update", "upsert", "delete", "soft_delete", "restore", "create", "replace", "revert", "drop"]
OnProgress = Callable[[int, int], None]
"""Called now and then with the rows that are written, and all of them; from any thread."""
_LONGEST_KEY = 200


@dataclass(frozen=True)
class Asked:
    """Who asks for a write, and how it is told from another.

    Attributes:
        kind: of write.
        key_id: of the key that asks.
        idempotency_key: the client's name for this write, so that asking again does not write again; None where it gave none.
        digest: of all that is asked, rows included: what tells whether it is the same write.
        on_wait: given, before the write begins to wait for its turn, what ends that wait from any thread.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, see `check_idempotency_key`.
    """

    kind: WriteKind
    key_id: str
    idempotency_key: str | None = None
    digest: bytes = b""
    on_wait: OnOpen | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_idempotency_key(self.idempotency_key)


@dataclass(frozen=True)
class Written:
    """What a write did.

    Attributes:
        kind: of write.
        table: the path of the table.
        version: the newest version that it made; the live one where it changed nothing, 0 where the table has no versions.
        inserted: rows that came.
        updated: rows that changed, or were restored.
        deleted: rows that went, softly or for good.
        rejected: rows that were sent and left out.
        errors: computed or media cells that failed.
        first_row_id: the row id of the first inserted row, None where there is none; the others follow it one by one, in the order sent.
        tier: how rows were inserted: `bulk`, `stream` or `rows`; None where none were.
        repeated: whether it had been done before, under this idempotency key, and was not done again.
    """

    kind: WriteKind
    table: str
    version: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rejected: int = 0
    errors: int = 0
    first_row_id: int | None = None
    tier: str | None = None
    repeated: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, answer: dict[str, Any]) -> Self:
        """What `to_json` wrote, also that of another version of ours."""
        return cls(**{name: answer[name] for name in (known.name for known in fields(cls)) if name in answer})

    @property
    def has_changed(self) -> bool:
        """Whether the store is another than before."""
        return self.kind in ("create", "replace", "revert") or bool(self.inserted or self.updated or self.deleted)


def check_idempotency_key(key: str | None) -> None:
    """Refuse a name of a write that is not 1 to 200 printable characters.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`.
    """
    if key is not None and not (1 <= len(key) <= _LONGEST_KEY and key.isprintable()):
        raise error(
            "INVALID_ARGUMENT",
            f"An idempotency key has 1 to {_LONGEST_KEY} printable characters.",
            hint="A random UUID for each write will do.",
            where={"argument": "idempotency_key"},
        )
