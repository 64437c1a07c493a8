"""What only Pixeltable computes, read in batches of its executor: equal to `collect()`, value by value."""

import base64
import io
import json
from pathlib import Path

import exec_pictures
import pyarrow as pa
import pytest
from comparison import rows_of, same
from PIL import Image

from pxt_flight.errors import PxtFlightError

ROWS = [{"id": i, "n": None if i % 7 == 3 else i % 5, "s": None if i % 4 == 3 else f"{i}% of it's"} for i in range(300)]


@pytest.fixture(scope="module")
def directory(pxt):
    pxt.create_dir("diff_exec")
    yield "diff_exec"
    pxt.drop_dir("diff_exec", force=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exec")


@pytest.fixture(scope="module")
def texts(pxt, directory):
    """A table with columns that are computed while they are read."""
    from row_functions import backwards, inverse, length

    table = pxt.create_table(f"{directory}.texts", {"id": pxt.Int, "n": pxt.Int | None, "s": pxt.String | None})
    table.insert(ROWS)
    table.add_computed_column(back=backwards(table.s), stored=False)
    table.add_computed_column(chars=length(table.s), stored=False)
    table.add_computed_column(inverse=inverse(table.n), stored=False)
    return table


@pytest.fixture(scope="module")
def films(pxt, directory, folder, functions):
    """Pictures, one column of them with pictures that have no file."""
    table = pxt.create_table(f"{directory}.films", {"id": pxt.Int, "img": pxt.Image | None})
    table.insert([{"id": i, "img": path} for i, path in enumerate(exec_pictures.pictures(folder))] + [{"id": 9, "img": None}])
    table.add_computed_column(small=table.img.resize((8, 4)), stored=False)
    return table


@pytest.fixture(scope="module")
def frames(pxt, directory, folder, functions):
    """The frames of a video: a component view, whose pictures are computed while they are read."""
    clips = pxt.create_table(f"{directory}.clips", {"id": pxt.Int, "clip": pxt.Video})
    clips.insert([{"id": 1, "clip": exec_pictures.video(folder)}])
    return pxt.create_view(f"{directory}.frames", clips, iterator=functions.video.frame_iterator(clips.clip, fps=1))


def pixels(body):
    image = Image.open(io.BytesIO(body))
    return image.mode, image.size, image.tobytes()


def same_pictures(expected, found):
    """Each picture as the file that stands for it, without loss where that can be."""
    from pxt_flight.engine.cell_values import image_bytes

    assert len(expected) == len(found)
    for image, body in zip(expected, found, strict=True):
        assert (image is None) is (body is None)
        if image is not None:
            assert pixels(body) == pixels(image_bytes(image))
            assert image.mode in ("RGB", "L") or pixels(body) == (image.mode, image.size, image.tobytes())


# Values


@pytest.mark.parametrize(
    ("sql", "query"),
    [
        ("select * from {t} where n is not null and n > 0 order by id", lambda t: t.where(t.n > 0).order_by(t.id).select()),
        ("select id, back from {t} order by id desc", lambda t: t.order_by(t.id, asc=False).select(t.id, t.back)),
        (
            "select id, chars * 2 + id from {t} order by 1 limit 7 offset 150",
            lambda t: t.order_by(t.id).limit(7, offset=150).select(t.id, t.chars * 2 + t.id),
        ),
        ("select chars from {t} where id < 0", lambda t: t.where(t.id < 0).select(t.chars)),
        ("select chars from {t} limit 0", lambda t: t.where(t.id < 0).select(t.chars)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_computed_columns(texts, read, sql, query):
    same(rows_of(query(texts).collect()), read(sql.format(t="diff_exec.texts"), tier="exec"), ordered="order by" in sql)


@pytest.mark.parametrize("what", ["n, count(chars), sum(chars), min(back), max(s)", "n, avg(chars), count(*)"])
def test_aggregations(texts, read, functions, what):
    sql = f"select {what} from diff_exec.texts group by n"
    made = {"count(chars)": functions.count(texts.chars), "sum(chars)": functions.sum(texts.chars), "min(back)": functions.min(texts.back)}
    made |= {"max(s)": functions.max(texts.s), "avg(chars)": functions.mean(texts.chars), "count(*)": functions.count(1), "n": texts.n}
    chosen = {f"c{i}": made[name] for i, name in enumerate(what.split(", "))}
    same(rows_of(texts.group_by(texts.n).select(**chosen).collect()), read(sql, tier="exec"))


def test_batches_and_their_order(texts, engine, monkeypatch):
    """Many small ones are the rows of one."""
    from pxt_flight.engine.scan import Request
    from pxt_flight.engine.seam import batches

    monkeypatch.setattr(batches, "ROWS", 20)
    monkeypatch.setattr(batches, "_FIRST_ROWS", 7)
    stream = engine.stream(Request("select id, back from diff_exec.texts order by n, id"), tier="exec")
    found = list(stream.batches)
    assert len(found) > 3
    assert [row for batch in found for row in batch.to_pylist()] == list(
        texts.order_by(texts.n, texts.id).select(texts.id, texts.back).collect()
    )


def test_a_function_that_fails(texts, engine):
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError) as caught:
        list(engine.stream(Request("select id, inverse from diff_exec.texts"), tier="exec").batches)
    assert caught.value.code == "UNSUPPORTED_OPERATION"
    assert "inverse" in caught.value.message
    assert list(engine.stream(Request("select inverse from diff_exec.texts where n > 0")).batches)


def test_a_nan_is_a_value(pxt, read, make_table):
    from row_functions import not_a_number

    table = make_table({"id": pxt.Int | None}, [{"id": 1}, {"id": None}])
    table.add_computed_column(x=not_a_number(table.id), stored=False)
    same([(float("nan"),), (None,)], read(f"select x from {table.get_metadata()['name']}", tier="exec"))


def test_arrays_and_json_with_objects(pxt, make_table, read):
    from row_functions import described, measured

    table = make_table({"id": pxt.Int, "s": pxt.String | None}, [{"id": i, "s": s} for i, s in enumerate(["aaa", None, "b"])])
    table.add_computed_column(e=measured(table.s), stored=False)
    table.add_computed_column(j=described(table.s), stored=False)
    found = read(f"select e, j from {table.get_metadata()['name']} order by id", tier="exec")
    assert found.schema.field("e").type == pa.fixed_shape_tensor(pa.float32(), (4,))
    assert [value and list(value) for value in found["e"].to_pylist()] == [[3.0, 3.0, 1.0, 0.5], None, [1.0, 0.0, 1.0, 0.5]]
    first, second, third = (value and json.loads(value) for value in found["j"].to_pylist())
    assert second is None
    assert (first["letters"], third["letters"]) == ([97, 97, 97], [98])
    picture = Image.open(io.BytesIO(base64.b64decode(first["picture"].removeprefix("data:image/png;base64,"))))
    assert (picture.size, picture.getpixel((0, 0))) == ((3, 1), (3, 2, 1))


# Versions


def test_versions_and_snapshots(pxt, directory, read):
    from row_functions import backwards

    table = pxt.create_table(f"{directory}.old", {"id": pxt.Int, "s": pxt.String})
    table.add_computed_column(back=backwards(table.s), stored=False)
    table.insert([{"id": i, "s": f"ab{i}"} for i in range(5)])
    before = rows_of(table.select().collect())
    version = table.get_metadata()["version"]
    snapshot = pxt.create_snapshot(f"{directory}.kept", table)
    view = pxt.create_view(f"{directory}.some", table.where(table.id > 1))
    table.update({"s": "changed"}, where=table.id == 2)
    table.delete(where=table.id == 4)
    assert rows_of(table.select().collect()) != before
    same(before, read(f'select * from "diff_exec/old:{version}"', tier="exec"))
    same(before, read("select * from diff_exec.kept", tier="exec"))
    same(rows_of(snapshot.select().collect()), read("select * from diff_exec.kept", tier="exec"))
    same(rows_of(view.select().collect()), read("select * from diff_exec.some", tier="exec"))
    same(rows_of(table.select().collect()), read("select * from diff_exec.old", tier="exec"))


def test_a_ticket_reads_its_version(pxt, directory, engine):
    from row_functions import backwards

    from pxt_flight.engine.scan import Request

    table = pxt.create_table(f"{directory}.moving", {"id": pxt.Int, "s": pxt.String})
    table.add_computed_column(back=backwards(table.s), stored=False)
    table.insert([{"id": 1, "s": "ab"}])
    request = Request("select back from diff_exec.moving")
    pins = engine.plan(request).pins
    table.insert([{"id": 2, "s": "cd"}])
    assert [row for batch in engine.stream(request, pins).batches for row in batch.to_pylist()] == [{"back": "ba"}]
    assert sum(batch.num_rows for batch in engine.stream(request).batches) == 2


# Views of components


def test_frames(frames, read):
    expected = list(frames.order_by(frames.pos).select(frames.pos, frames.frame, frames.frame_attrs, frames.id).collect())
    found = read("select pos, frame, frame_attrs, id from diff_exec.frames order by pos", tier="exec")
    assert len(expected) == 2
    same([(row["pos"], row["frame_attrs"], row["id"]) for row in expected], found.drop_columns(["frame"]), ordered=True)
    same_pictures([row["frame"] for row in expected], found["frame"].to_pylist())


def test_conditions_on_positions(frames, read):
    same([(1,)], read("select pos from diff_exec.frames where pos > 0 and id = 1", tier="exec"))


def test_frames_of_a_version(frames, read):
    found = read('select frame, clip from "diff_exec/frames:0" order by pos', tier="exec")
    same_pictures([row["frame"] for row in frames.order_by(frames.pos).select(frames.frame).collect()], found["frame"].to_pylist())
    paths = {row["p"] for row in frames.select(p=frames.clip.localpath).collect()}
    assert {*found["clip"].to_pylist()} == {Path(path).read_bytes() for path in paths}


def test_tiles(pxt, films, directory, functions, read):
    tiles = pxt.create_view(
        f"{directory}.tiles", films.where(films.id < 4), iterator=functions.image.tile_iterator(films.img, tile_size=(16, 16))
    )
    found = read("select id, pos, tile from diff_exec.tiles order by id, pos", tier="exec")
    expected = list(tiles.order_by(tiles.id, tiles.pos).select(tiles.id, tiles.pos, tiles.tile).collect())
    assert len(expected) > 16  # several batches of pictures
    assert [(row["id"], row["pos"]) for row in expected] == list(zip(*found.drop_columns(["tile"]).to_pydict().values(), strict=True))
    same_pictures([row["tile"] for row in expected], found["tile"].to_pylist())


def test_chunks_of_documents(pxt, directory, folder, functions, read):
    table = pxt.create_table(f"{directory}.papers", {"id": pxt.Int, "paper": pxt.Document})
    table.insert([{"id": 1, "paper": exec_pictures.document(folder)}])
    chunks = pxt.create_view(
        f"{directory}.chunks", table, iterator=functions.document.document_splitter(table.paper, separators="paragraph")
    )
    expected = rows_of(chunks.order_by(chunks.pos).select(chunks.pos, chunks.text, chunks.id).collect())
    assert len(expected) == 3
    same(expected, read("select pos, text, id from diff_exec.chunks order by pos", tier="exec"), ordered=True)


# Media


def test_pictures_without_a_file(films, read):
    found = read("select id, small from diff_exec.films order by id", tier="exec")
    same_pictures([row["small"] for row in films.order_by(films.id).select(films.small).collect()], found["small"].to_pylist())


def test_thumbnails_of_them(films, read):
    found = read("select img, small from diff_exec.films order by id", tier="exec", media="thumbnail:16")
    assert {Image.open(io.BytesIO(body)).size for body in found["small"].to_pylist() if body} == {(8, 4)}
    assert {max(Image.open(io.BytesIO(body)).size) for body in found["img"].to_pylist() if body} == {16}
    assert found["small"].null_count == found["img"].null_count == 1


def test_media_validated_on_read(pxt, directory, folder, read):
    table = pxt.create_table(f"{directory}.checked", {"id": pxt.Int, "img": pxt.Image | None}, media_validation="on_read")
    paths = [*exec_pictures.pictures(folder), exec_pictures.broken(folder), None]
    table.insert([{"id": i, "img": path} for i, path in enumerate(paths)])
    table.add_computed_column(small=table.img.resize((8, 4)), stored=False)
    expected = list(table.order_by(table.id).select(table.id, table.img, table.small).collect())
    assert [row["img"] is None for row in expected] == [False] * 4 + [True] * 2
    found = read("select id, img, small from diff_exec.checked order by id", tier="exec")
    bodies = [None if row["img"] is None else Path(paths[row["id"]]).read_bytes() for row in expected]
    assert found["img"].to_pylist() == bodies
    same_pictures([row["small"] for row in expected], found["small"].to_pylist())


def test_no_file_is_decoded_for_its_bytes(pxt, directory, folder, read, monkeypatch):
    table = pxt.create_table(f"{directory}.undecoded", {"id": pxt.Int, "img": pxt.Image}, media_validation="on_read")
    table.insert([{"id": i, "img": path} for i, path in enumerate(exec_pictures.pictures(folder))])

    def decoded(_image):
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "load", decoded)
    assert read("select img from diff_exec.undecoded", tier="exec").num_rows == 4


def test_operational_tables(pxt, directory, folder, read):
    from row_functions import backwards

    path = exec_pictures.pictures(folder)[0]
    schema = {"id": pxt.Int, "s": pxt.String | None, "img": pxt.Image | None}
    table = pxt.create_table(f"{directory}.working", schema, primary_key="id", _is_data_versioned=False)
    table.insert([{"id": 1, "s": "ab", "img": path}, {"id": 2, "s": None, "img": None}])
    table.add_computed_column(back=backwards(table.s), stored=False)
    expected = [(1, "ab", path, "ba"), (2, None, None, None)]
    found = read("select id, s, img, back from diff_exec.working order by id", tier="exec")
    same(expected, found, ordered=True)
    with pytest.raises(PxtFlightError, match="no URLs"):
        read("select img from diff_exec.working", tier="exec", media="url")
