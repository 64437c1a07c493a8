"""Several tables dropped as one: in the transaction in which Pixeltable drops one, as it does itself for a directory (`drop_dir`)."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pixeltable as pxt
from pixeltable.catalog import retry_loop
from pixeltable.runtime import get_runtime

from pxt_flight.engine.seam.writes import locking_until
from pxt_flight.trace import describe

log = logging.getLogger(__name__)


def drop_all(find: Callable[[], Sequence[pxt.Table]], *, patience: float) -> None:
    """Drop all of some tables, or none of them; on this thread.

    Once that is committed they are gone for everybody. What they have in Postgres and in files goes right after it; where that fails, the
    log says so, and it is only space that is lost.

    Args:
        find: the tables, bases before what stands on them; called in the transaction, anew where Postgres aborts it for another's sake.
        patience: seconds that locks of others may be waited for.

    Raises:
        UnavailableError: `table_busy`.
    """
    catalog: Any = get_runtime().catalog

    def dropped() -> None:
        for table_id in [table._id for table in find()]:
            # One that stood on another is gone with that.
            if (table := catalog.get_table_by_id(table_id, ignore_if_dropped=True)) is not None:
                catalog._drop_tbl(table, force=True, is_replace=False)

    catalog._roll_forward_ids.clear()
    with locking_until(time.monotonic() + patience):
        retry_loop(for_write=True)(dropped)()
    try:
        catalog._roll_forward()
    except Exception as fault:  # noqa: BLE001  # they are dropped, whatever it is
        log.warning("what dropped tables left could not be cleared: %s", describe(fault))
