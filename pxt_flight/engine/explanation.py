"""Why a query is read as it is: its tier, Pixeltable's part of the plan and Postgres', in the names that the user gave."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pxt_flight.engine.planner import SqlPlan
from pxt_flight.engine.tier_cursor import CursorPlan

_OF_STORE = re.compile(r'"?\b(?:(?P<table>(?:tbl|view)_[0-9a-f]{32})(?P<alias>_\d+)?"?\.)?"?(?P<column>col_\d+)(?P<cellmd>_cellmd)?\b"?')
_TABLE = re.compile(r'"?\b(?P<kind>pk_idx|sys_cols_idx|vmin_idx|vmax_idx|idx|tbl|view)_(?:\d+_)?(?P<id>[0-9a-f]{32})(?:_\d+)?\b"?')


@dataclass(frozen=True)
class Explanation:
    """How a query is read.

    Attributes:
        tier: `copy`, `psycopg`, `exec` or `cursor`.
        why: the reason for that tier.
        tables: path and version of each table.
        pixeltable_plan: a line for each scan of a table.
        postgres_plan: Postgres' own plan; None where Postgres does not run the query.
    """

    tier: str
    why: str
    tables: list[dict[str, str | int]]
    pixeltable_plan: list[str]
    postgres_plan: str | None


def explain_sql(plan: SqlPlan, lines: Sequence[str], *, tier: str, why: str) -> Explanation:
    """The explanation of a plan for Postgres.

    Args:
        plan: what the planner made.
        lines: of Postgres' EXPLAIN.
        tier: the one that reads.
        why: the reason for it.
    """
    scans = [f"scan of {scan.path}: {', '.join(scan.columns) or 'rows only'}" for scan in plan.scans]
    named = "\n".join(_named(line, plan) for line in lines)
    return Explanation(tier, why, _tables(plan), scans, named)


def explain_cursor(plan: CursorPlan) -> Explanation:
    """The explanation of a plan for Pixeltable itself."""
    columns = ", ".join(output.name for output in plan.selection.outputs)
    how = "in batches of its executor" if plan.tier == "exec" else "row by row"
    return Explanation(plan.tier, plan.why, _tables(plan), [f"Pixeltable query of {columns}, {how}"], None)


def _tables(plan: SqlPlan | CursorPlan) -> list[dict[str, str | int]]:
    return [{"path": pin.path, "version": pin.version} for pin in plan.pins if pin.version is not None]


def _named(line: str, plan: SqlPlan) -> str:
    """A line of Postgres' plan with the names of tables and columns in place of the store's."""
    tables = {table: scan.path for scan in plan.scans for table in scan.stored}
    columns: dict[tuple[str, str], str] = {}
    for scan in plan.scans:
        columns |= scan.stored_columns
    line = _OF_STORE.sub(_column_namer(columns), line)
    return _TABLE.sub(lambda found: _table_name(found["kind"], found["id"], tables), line)


def _column_namer(columns: Mapping[tuple[str, str], str]) -> Callable[[re.Match[str]], str]:
    def name(found: re.Match[str]) -> str:
        meant = {given for (table, column), given in columns.items() if column == found["column"] and found["table"] in (None, table)}
        given = meant.pop() if len(meant) == 1 else "column"
        return f"{given}{' (metadata)' if found['cellmd'] else ''}"

    return name


def _table_name(kind: str, table_id: str, tables: Mapping[str, str]) -> str:
    path = next((path for stored, path in tables.items() if stored.endswith(table_id)), "a base table")
    return path if kind in ("tbl", "view") else f"{kind} of {path}"
