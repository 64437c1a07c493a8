"""Every type that is served, in four states of its column: what we send is what `collect()` gives, value by value."""

import io
import itertools
from typing import Any

import pyarrow as pa
import pytest
from comparison import ARROW_TYPES, rows_of, same
from PIL import Image
from sample_values import DOCUMENTS, SCALARS, pictures

KINDS = [*SCALARS, "Json", "Image"]
STATES = ("values", "no rows", "all NULL", "mixed NULL")


@pytest.fixture(scope="module")
def values(pxt, tmp_path_factory):
    return SCALARS | {"Json": DOCUMENTS, "Image": pictures(tmp_path_factory.mktemp("pictures"))}


@pytest.fixture(scope="module")
def tables(pxt, values):
    """A table per state, with a column per type; and the rows that were put in."""
    length = max(map(len, values.values()))
    full = [
        dict(zip(values, row, strict=True)) for row in itertools.islice(zip(*map(itertools.cycle, values.values()), strict=False), length)
    ]
    states = {
        "values": full,
        "no rows": [],
        "all NULL": [dict.fromkeys(values)] * 3,
        "mixed NULL": [{kind: None if (i + k) % 3 == 0 else row[kind] for k, kind in enumerate(values)} for i, row in enumerate(full)],
    }
    made = {}
    for number, (state, rows) in enumerate(states.items()):
        schema = {"id": pxt.Int} | {kind: getattr(pxt, kind) | None for kind in values}
        table = pxt.create_table(f"diff_types_{number}", schema)
        if rows:
            table.insert({"id": i, **row} for i, row in enumerate(rows))
        made[state] = (table, rows)
    yield made
    for table, _ in made.values():
        pxt.drop_table(table)


def selected(table: Any, kind: str) -> list[tuple[Any, ...]]:
    """What Pixeltable gives; of an image the path, for it decodes the file itself."""
    column = table[kind.lower()]
    return rows_of(table.order_by(table.id).select(table.id, column.localpath if kind == "Image" else column).collect())


@pytest.mark.parametrize("tier", ["copy", "exec", "cursor"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_engine_equals_collect(tables, read, kind, state, tier):
    table, inserted = tables[state]
    answer = read(f"select id, {kind} from {table.get_metadata()['name']} order by id", tier=tier)
    same(selected(table, kind), answer, ordered=True)
    same([(i, row[kind]) for i, row in enumerate(inserted)], answer, ordered=True)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_wire_equals_collect(tables, db, kind, state):
    table, _ = tables[state]
    answer = db.sql(f"select id, {kind} from {table.get_metadata()['name']} order by id", media="bytes").to_arrow()
    same(selected(table, kind), answer, ordered=True)


@pytest.mark.parametrize("state", STATES)
def test_star_over_the_wire(tables, db, values, state):
    """The types of all columns, also where no value could tell them; names fold to lower case."""
    table, _ = tables[state]
    schema = db.sql(f"select * from {table.get_metadata()['name']}", media="bytes").schema
    assert schema.names == ["id", *(kind.lower() for kind in values)]
    assert schema.types == [pa.int64(), *(ARROW_TYPES[kind] for kind in values)]
    assert [field.metadata[b"pxt:type"].decode() for field in schema] == ["Int", *values]
    assert [field.nullable for field in schema] == [False] + [True] * len(values)


@pytest.mark.parametrize("size", [16, 256])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("door", ["copy", "exec", "cursor", "wire"])
def test_thumbnails(tables, read, db, state, size, door):
    """A JPEG of at most N on the long side, in the picture's own aspect, never enlarged; NULL stays NULL."""
    table, _ = tables[state]
    statement, media = f"select image from {table.get_metadata()['name']} order by id", f"thumbnail:{size}"
    answer = db.sql(statement, media=media).to_arrow() if door == "wire" else read(statement, tier=door, media=media)
    assert answer.schema.field("image").metadata[b"pxt:media"] == media.encode()
    originals = [path for _, path in selected(table, "Image")]
    for path, thumbnail in zip(originals, answer["image"].to_pylist(), strict=True):
        assert (path is None) == (thumbnail is None)
        if path is None:
            continue
        with Image.open(path) as picture, Image.open(io.BytesIO(thumbnail)) as small:
            small.load()
            assert small.format == "JPEG"
            assert max(small.size) == min(size, max(picture.size))
            scale = max(small.size) / max(picture.size)
            assert all(abs(a - max(b * scale, 1)) <= 1 for a, b in zip(small.size, picture.size, strict=True))


def test_thumbnails_show_the_picture(tables, db, values):
    """The colours are the file's, transparency lies over white."""
    table, _ = tables["values"]
    cells = db.sql(
        f"select image from {table.get_metadata()['name']} order by id limit {len(values['Image'])}", media="thumbnail:64"
    ).to_arrow()
    pixels = [Image.open(io.BytesIO(cell)).convert("RGB").getpixel((2, 0)) for cell in cells["image"].to_pylist()]
    wanted = {0: (0, 128, 128), 1: (255, 165, 0), 3: (77, 77, 77), 5: (255, 195, 195)}
    for i, colour in wanted.items():
        assert all(abs(a - b) <= 6 for a, b in zip(pixels[i], colour, strict=True)), (i, pixels[i])
