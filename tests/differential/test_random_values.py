"""Random values of the types that are no scalars, small ones in the row and large ones in files, through random shapes of statements:
what arrives is what `collect()` gives, media cells included."""

import base64
import io
import itertools
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

NAME = "diff_random_values"
NUMBERS = st.floats(-1e6, 1e6, width=32)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
# 512 bytes fit into the row.
SIZES = st.sampled_from([0, 1, 3, 60, 64, 65, 127, 129, 700])


def arrays(dtype, sizes=SIZES):
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(lambda size, seed: np.random.default_rng(seed).integers(0, 120, size).astype(dtype), sizes, seeds)


OBJECTS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    NUMBERS,
    TEXTS,
    st.binary(max_size=8),
    arrays("float32", st.integers(0, 5)),
    arrays("bool"),
)
DOCUMENTS = st.recursive(OBJECTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6)
VALUES = {
    "fixed": arrays("float32", st.just(3)),
    "large": arrays("int16", st.just(400)),
    "ragged": arrays("int64"),
    "bits": arrays("bool"),
    "anything": st.one_of(arrays("uint8"), arrays("float64", st.just(6)).map(lambda array: array.reshape(2, 3))),
    "raw": st.integers(0, 700).flatmap(lambda size: st.binary(min_size=size, max_size=size)) | st.binary(max_size=3),
    "document": DOCUMENTS.map(lambda value: {"v": value}),
    "picture": st.integers(0, 4),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=6)
SHAPES = (
    "select {c} from {t}",
    "select {c} from {t} where id % 2 = 0 or id > 3",
    "select {q} from {t} as a join {t} as b using (id)",
    "with w as (select * from {t} where id >= 0) select {c} from w",
    "select {c} from {t} where id < 2 union all select {c} from {t} where id >= 2",
)
numbered = itertools.count()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    modes = ("RGB", "L", "RGBA", "P", "RGB")
    for i, mode in enumerate(modes):
        Image.new("RGB", (30 + i, 20), (40 * i, 90, 200)).convert(mode).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(len(modes))]


@pytest.fixture(scope="module")
def schema(pxt):
    arrays = {"fixed": pxt.Array[(3,), np.float32], "large": pxt.Array[(400,), np.int16], "ragged": pxt.Array[(None,), np.int64]}
    arrays |= {"bits": pxt.Array[(None,), np.bool_], "anything": pxt.Array}
    kinds = arrays | {"raw": pxt.Binary, "document": pxt.Json, "picture": pxt.Image}
    return {"id": pxt.Int} | {name: kind | None for name, kind in kinds.items()}


# Each example makes a table: to shrink one would take minutes.
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(rows=ROWS, shape=st.sampled_from(SHAPES), media=st.sampled_from(["bytes", "thumbnail:16", "url"]))
def test_what_arrives_is_what_collect_gives(pxt, engine, schema, pictures, rows, shape, media):
    name = f"{NAME}_{next(numbered)}"
    table = pxt.create_table(name, schema)
    try:
        if rows:
            table.insert(
                {"id": i, **row, "picture": None if row["picture"] is None else str(pictures[row["picture"]])} for i, row in enumerate(rows)
            )
        columns = ["id", *VALUES]
        selected = [table.id, *(table[column] for column in VALUES if column != "picture"), table.picture.localpath]
        kept = (table.id % 2 == 0) | (table.id > 3) if shape == SHAPES[1] else table.id >= 0
        wanted = {row["id"]: row for row in table.where(kept).select(**dict(zip(columns, selected, strict=True))).collect()}
        sql = shape.format(c=", ".join(columns), q=", ".join(["id", *(f"b.{column}" for column in VALUES)]), t=name)
        for tier in ("copy", "exec") if shape in SHAPES[:1] else ("copy",):
            check(engine, pulled(engine, sql, tier, media), wanted, media)
    finally:
        pxt.drop_table(name)


def pulled(engine, sql, tier, media):
    from pxt_flight.engine.scan import Request

    links = {}
    stream = engine.stream(
        Request(sql, media=media),
        tier=None if tier == "copy" else tier,
        url_of=lambda column: f"{links.setdefault(column, len(links))}/",
    )
    assert stream.tier == tier
    with closing(stream):
        fields, rows = stream.schema, [row for batch in stream.batches for row in batch.to_pylist()]
    columns = {str(number): column for column, number in links.items()}
    return fields, rows, columns


def check(engine, answer, wanted, media):
    fields, rows, links = answer
    assert sorted(row["id"] for row in rows) == sorted(wanted)
    for row in rows:
        for column, value in row.items():
            expected = wanted[row["id"]][column]
            assert (value is None) is (expected is None), column
            if value is None:
                continue
            if column == "picture":
                check_picture(engine, value, expected, media, links)
            elif column == "document":
                assert plain(json.loads(value)) == plain(expected)
            elif column == "raw":
                assert value == expected
            elif column != "id":
                is_file = (fields.field(column).metadata or {}).get(b"pxt:encoding") == b"npy"
                found = np.load(io.BytesIO(value)) if is_file else np.array(value, expected.dtype)
                np.testing.assert_array_equal(found, expected, strict=True)


def check_picture(engine, value, path, media, links):
    from pxt_flight.engine.media import local_path

    if media == "url":
        link, cell = value.split("/")
        *row_id, version = map(int, cell.split("."))
        assert str(local_path(engine.cell(links[link], tuple(row_id), version).reference)) == path
    elif media == "bytes":
        assert value == Path(path).read_bytes()
    else:
        shown, original = Image.open(io.BytesIO(value)), Image.open(path).convert("RGB")
        assert max(shown.size) == 16
        assert np.abs(np.array(shown.getpixel((2, 2)), int) - np.array(original.getpixel((2, 2)), int)).max() < 40  # a palette, then JPEG


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value
