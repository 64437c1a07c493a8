"""All tables at once, and only for who says so twice."""

import hashlib
from dataclasses import dataclass

from pxt_flight.engine.inventory import Inventory
from pxt_flight.errors import PxtFlightError, StaleTicketError, error
from pxt_flight.operations.call import Call
from pxt_flight.public_api import public_api

CONFIRM_LIFETIME = 300  # seconds
_PURPOSE = "drop"


@dataclass(frozen=True)
class TablesDeleted:
    """What was dropped.

    Attributes:
        tables: the paths of the tables, views and snapshots, sorted.
    """

    tables: tuple[str, ...]


@public_api(
    category="tables",
    permission="admin",
    rate_limit="100/hour",
    raises=("confirmation_required", "table_busy", "UNSUPPORTED_OPERATION"),
)
def delete_all_tables(call: Call, confirm: str | None = None) -> TablesDeleted:
    """Drop all tables, views and snapshots, with their versions; directories stay. It takes a second call to confirm it.

    They go in one transaction: all of them, or none. What they have on disk is cleared right after that; where the server dies in
    between, no table is back, and its files are what is left.

    Args:
        call: who asks; their key must be for all tables.
        confirm: what an earlier call, which dropped nothing, answered as `where.confirm` of `confirmation_required`: good for 5 minutes,
            for this key, and for the very tables and versions that there were.

    Returns:
        `tables`, the paths of what was dropped, sorted; empty where there was nothing.
    """
    call.require("delete_all_tables")
    if "*" not in call.principal.tables:
        raise error("permission_denied", "This key is not for all tables.", hint="Drop those that it is for one by one.")
    found = call.writer.inventory()
    if not found.paths:
        return TablesDeleted(())
    if confirm is None:
        raise _unconfirmed(call, found, "Nothing was dropped.")
    try:
        said = call.signer.verify(_PURPOSE, confirm.encode())["d"]
    except StaleTicketError:
        raise _unconfirmed(call, found, "The confirmation is not one, or is too old; nothing was dropped.") from None
    if said != _digest(call, found) or not call.writer.drop_all(found):
        raise _unconfirmed(call, call.writer.inventory(), "The tables are not those that were confirmed; nothing was dropped.")
    return TablesDeleted(found.paths)


def _unconfirmed(call: Call, found: Inventory, said: str) -> PxtFlightError:
    token = call.signer.sign(_PURPOSE, {"d": _digest(call, found)}, lifetime=CONFIRM_LIFETIME).decode()
    return error(
        "confirmation_required",
        f"This drops {len(found.paths)} tables, for good. {said}",
        hint="Call again with the `confirm` of `where`, which is good for 5 minutes.",
        where={"tables": len(found.paths), "confirm": token, "expires_in": CONFIRM_LIFETIME},
    )


def _digest(call: Call, found: Inventory) -> str:
    """The tables and the key as 16 bytes: a place of an error is short."""
    return hashlib.blake2b(found.digest, key=call.principal.key_id.encode()[:64], digest_size=16).hexdigest()
