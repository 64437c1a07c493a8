"""Each type in each tier: what `collect()` gives, of the promised type, or the reason that the table names."""

from contextlib import closing

import pyarrow as pa
import pytest
from plain_values import same
from type_table import ROWS, TIERS

from pxt_flight.errors import PxtFlightError


@pytest.fixture
def opened(request):
    """Read a row's statement in a tier; answers the tier that served it, the table, and what its URLs lead to."""
    from pxt_flight.engine.media import local_path
    from pxt_flight.engine.scan import Request

    def read(row, tier):
        engine = request.getfixturevalue("own_login" if tier == "psycopg" else "engine")
        columns = []

        def url_of(column):
            columns.append(column)
            return f"{len(columns) - 1}/"

        def file_of(url):
            number, cell = url.split("/")
            *row_id, version = map(int, cell.split("."))
            cell = engine.cell(columns[int(number)], tuple(row_id), version)
            if cell.content is not None:  # a picture without a file
                return cell.content
            path = local_path(cell.reference)
            assert path is not None
            return path.read_bytes()

        insisted = tier if tier in ("exec", "cursor") else None
        with closing(engine.stream(Request(row.sql, media=row.media), tier=insisted, url_of=url_of)) as stream:
            return stream.tier, pa.Table.from_batches(list(stream.batches), stream.schema), file_of

    return read


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_type_in_a_tier(tables, collected, opened, row, tier):
    reason = row.reasons.get(tier)
    if reason is not None and reason.code is not None:
        with pytest.raises(PxtFlightError) as refused:
            opened(row, tier)
        assert refused.value.code == reason.code
        return
    served_by, answer, file_of = opened(row, tier)
    assert served_by == (tier if reason is None else "exec")
    assert str(answer.schema.field(1).type) == row.kind.arrow
    wanted = collected(row)
    assert len(answer) == len(wanted) >= 2
    for found, value in zip(answer.column(1).to_pylist(), wanted, strict=True):
        same(row.form, file_of(found) if row.form == "url" and found is not None else found, value)
