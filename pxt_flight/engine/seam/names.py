"""The names under which this thread knows tables, against those that they have."""

import pixeltable as pxt

from pxt_flight.engine.seam.plan import IDS, OutdatedError, run_sql
from pxt_flight.engine.seam.store import NAMES


def check_names(table: pxt.Table) -> None:
    """Raise `OutdatedError` where a table, or a view that is written with it, was renamed since this thread came to know it.

    What Pixeltable keeps of a table holds its name, and is taken for current by its version, which a move leaves alone (0.7.21). The next
    version would be written with that name: it would take the move back.
    """
    if table._tbl_version is None:  # a snapshot, of which nothing is written
        return
    known: dict[str, str] = {}
    found = [table._tbl_version.get()]
    while found:
        version = found.pop()
        known[str(version.id)] = version.name
        found += [view.get() for view in version.mutable_views]
    stored = {row[0]: row[1] for row in run_sql(NAMES.format(ids=IDS), ids=list(known))}
    if stored != known:
        raise OutdatedError
