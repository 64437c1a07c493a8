"""Media columns that a statement over one table merely passes on: read as the numbers of their rows.

A reference of the type `pxt_flight.cell` goes through any expression, and costs Postgres 1.6 us, as much as ten columns; the numbers that
it holds cost next to nothing (100,000 rows, COPY). Most statements that show media need no more.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from sqlglot import exp

from pxt_flight.engine.seam.columns import number_names


class Passed(NamedTuple):
    """A media column of a result.

    Attributes:
        place: its place in the result; the first number of the row id arrives there.
        source: its number among the sources of cells.
        rest: the places of the other numbers of the row id, and of the version.
    """

    place: int
    source: int
    rest: tuple[int, ...]


class PassedCells(NamedTuple):
    """Cells of one source in one batch: the numbers of the row ids, and the versions; NULL in all where the cell is."""

    source: int
    row_ids: Sequence[pa.Array]
    versions: pa.Array


def pass_on(tree: exp.Query, outputs: Sequence[str | None], widths: Mapping[str, tuple[int, int]]) -> tuple[exp.Query, tuple[Passed, ...]]:
    """The statement with numbers in place of the media columns that it selects as they are.

    Args:
        tree: a SELECT over one table.
        outputs: for each column of the result the column of the table that it is; None for anything else.
        widths: by media column the number of its source, and how many numbers its row id has.
    """
    if not isinstance(tree, exp.Select) or tree.args.get("distinct") or not any(name in widths for name in outputs):
        return tree, ()
    tree = tree.copy()
    items: list[exp.Expr] = []
    for item in tree.expressions:
        inner = item.unalias()
        is_star = isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star))
        width = len(outputs) - len(tree.expressions) + 1 if is_star else 1
        items += [_column(str(name)) for name in outputs[len(items) : len(items) + width]] if is_star else [item]
    if len(items) != len(outputs):  # several stars
        return tree, ()
    passed: list[Passed] = []
    rest: list[exp.Expr] = []
    for place, name in enumerate(outputs):
        if name is not None and name in widths:
            source, width = widths[name]
            first, *others = number_names(source, width)
            # Under its own name, by which the statement may sort.
            items[place] = exp.alias_(_column(first), items[place].alias_or_name, quoted=True)
            passed.append(Passed(place, source, tuple(range(len(outputs) + len(rest), len(outputs) + len(rest) + width))))
            rest += [_column(other) for other in others]
    tree.set("expressions", [*items, *rest])
    return tree, tuple(passed)


def gathered(columns: Sequence[Any], passed: Sequence[Passed]) -> list[Any]:
    """The columns of a batch as those of the result: numbers that belong together as `PassedCells`."""
    extra = {place for cells in passed for place in cells.rest}
    found = [column for place, column in enumerate(columns) if place not in extra]
    for place, source, rest in passed:
        *row_ids, versions = (columns[place], *(columns[other] for other in rest))
        found[place] = PassedCells(source, row_ids, versions)
    return found


def _column(name: str) -> exp.Column:
    return exp.Column(this=exp.to_identifier(name, quoted=True))
