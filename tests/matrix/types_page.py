"""`docs/types.md`, made from the table that the tests prove: `make docs` writes it."""

from collections.abc import Iterable
from pathlib import Path

from type_table import ROWS, TIERS, Kind, Reason, Row

PAGE = Path(__file__).parents[2] / "docs" / "types.md"
_INTRODUCTION = """\
# Types

What arrives of each Pixeltable type, by each way to read (tier) and in each client. This page is made from the table that the tests prove
(`tests/matrix`, `make docs`): where a cell says yes or names a type, the values equal those of Pixeltable's `collect()`.

The fastest tier that is right is taken by itself; `db.sql(...).explain()` says which. `copy` streams from Postgres, `psycopg` does the same
where the restricted role cannot be made, `exec` reads the batches of Pixeltable's own executor, `cursor` its rows where the executor is
one that is not known. [Architecture](architecture.md) has more.
"""
_CLIENTS = """\
The Arrow type is what `to_arrow`, `pyarrow.flight` and ADBC's `fetch_arrow_table` hand out. polars is the same through `to_polars`,
`pl.read_database` and `pl.read_database_uri("pxt://...")`, but where that has a footnote. Every column of these tables holds a NULL, except
computed ones; pandas is `to_pandas` without a mapper of types, DuckDB reads our record batches.
"""


class Footnotes:
    """Numbers reasons as they come."""

    def __init__(self) -> None:
        self._numbers: dict[Reason, int] = {}

    def mark(self, reason: Reason | None) -> str:
        """The mark of a reason; nothing for none."""
        return "" if reason is None else f"[{self._numbers.setdefault(reason, len(self._numbers) + 1)}]"

    def __str__(self) -> str:
        return "\n".join(f"{number}. {reason.text}" for reason, number in self._numbers.items())


def render() -> str:
    """The whole page."""
    notes = Footnotes()
    tiers = _table(("Column", "Arrow", *(f"`{tier}`" for tier in TIERS)), (_of_tiers(row, notes) for row in ROWS))
    titles = ("Column", "Arrow", "`fetchall()`", "polars", "`pxt://`", "pandas", "DuckDB")
    clients = _table(titles, (_of_clients(row, notes) for row in ROWS))
    parts = (_INTRODUCTION, "## Tiers", tiers, "## Clients", _CLIENTS, clients, "## Notes", str(notes))
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _of_tiers(row: Row, notes: Footnotes) -> list[str]:
    found = ((row.reasons.get(tier), "yes") for tier in TIERS)
    return [_name(row), _code(_arrow(row.kind)), *(f"no {notes.mark(reason)}" if reason else word for reason, word in found)]


def _of_clients(row: Row, notes: Footnotes) -> list[str]:
    kind, address = row.kind, row.reasons.get("pxt://")
    polars = _code(_polars(kind))
    name = f"{_name(row)} {notes.mark(kind.note)}".rstrip()
    pandas = f"{_code(kind.pandas)} {notes.mark(kind.lossy_in_pandas)}".rstrip()
    through = f"links {notes.mark(address)}" if address else polars
    return [name, _code(_arrow(kind)), _code(kind.rows), polars, through, pandas, _code(kind.duckdb)]


def _name(row: Row) -> str:
    return row.name.replace("|", "\\|")


def _arrow(kind: Kind) -> str:
    """Without the words in which every type of a kind is printed alike."""
    return kind.arrow.removeprefix("extension<arrow.").removesuffix(">") if kind.arrow.startswith("extension<") else kind.arrow


def _polars(kind: Kind) -> str:
    return kind.polars.replace("Extension('arrow.fixed_shape_tensor', ", "").rpartition(", '{")[0] or kind.polars


def _code(text: str) -> str:
    return f"`{text}`"


def _table(titles: Iterable[str], rows: Iterable[list[str]]) -> str:
    lines = [list(titles), *rows]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
