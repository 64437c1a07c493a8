"""Media values: modes, references, bytes, and batches of bounded size."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.engine.media import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    StoredFile,
    check_served,
    chunks,
    local_path,
    media_mode,
    read_cells,
    stored_files,
)
from pxt_flight.errors import InvalidRequestError

BYTES, SMALL = media_mode("bytes"), media_mode("thumbnail:32")


# Modes


@pytest.mark.parametrize(("name", "size"), [("bytes", None), ("thumbnail:16", 16), ("thumbnail:256", 256), ("thumbnail:1024", 1024)])
def test_modes(name, size):
    assert media_mode(name).thumbnail == size
    assert media_mode(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Bytes",
        "bytes ",
        "thumbnail",
        "thumbnail:",
        "thumbnail:15",
        "thumbnail:1025",
        "thumbnail:-32",
        "thumbnail:٣٢",
        "thumbnail:32\n",
    ],
)
def test_modes_that_are_none(name):
    with pytest.raises(InvalidRequestError) as caught:
        media_mode(name)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert "thumbnail:N" in caught.value.hint


@pytest.mark.parametrize("kind", ["Image", "Video", "Audio", "Document"])
def test_what_has_thumbnails(kind):
    check_served(kind, "clip", SMALL)
    check_served("Scene", "clip", BYTES)
    with pytest.raises(InvalidRequestError, match="Column clip is of type Scene, which has no thumbnail"):
        check_served("Scene", "clip", SMALL)


def test_cells_are_of_their_columns_kind_unless_they_say_another():
    field = pa.field("clip", pa.binary(), metadata={"pxt:type": "Audio"})
    assert stored_files(["/a", None, StoredFile("Image", "/b")], field) == [StoredFile("Audio", "/a"), None, StoredFile("Image", "/b")]


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("https://example.org/b.png", None),
        ("s3://bucket/b.png", None),
        ("/a/b.png", "/a/b.png"),
        ("file:///a/b.png", "/a/b.png"),
        ("file:///a/with%20space/%C3%A9%23.png", "/a/with space/é#.png"),
    ],
)
def test_references(reference, path):
    assert local_path(reference) == (None if path is None else Path(path))


# Bytes


def test_bytes_are_the_stored_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x00\xff" * 10)
    stored = [str(tmp_path / "a.bin"), None, (tmp_path / "a.bin").as_uri()]
    read = read_cells([reference and StoredFile("Audio", reference) for reference in stored], "clip", BYTES)
    assert read.to_pylist() == [b"\x00\xff" * 10, None, b"\x00\xff" * 10]


@pytest.mark.parametrize("name", ["missing", "."])
def test_bytes_of_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(InvalidRequestError, match="A file of column clip is gone or cannot be read") as caught:
        read_cells([StoredFile("Audio", str(tmp_path / name))], "clip", BYTES)
    assert str(tmp_path) not in str(caught.value)


def test_null_stays_null():
    assert read_cells([None, None], "image", SMALL).to_pylist() == [None, None]


# Batches


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 500))
def test_thumbnails_come_in_batches_of_so_many_rows(rows):
    ranges = list(chunks([[None] * rows], SMALL))
    assert [start for start, _ in ranges] == list(range(0, rows, CHUNK_ROWS))
    assert sum(length for _, length in ranges) == rows
    assert max(length for _, length in ranges) <= CHUNK_ROWS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of some sizes, by size; sparse, so they cost nothing."""
    folder = tmp_path_factory.mktemp("files")
    sizes = [0, 1, CHUNK_BYTES // 3, CHUNK_BYTES // 2, CHUNK_BYTES, CHUNK_BYTES * 3]
    for size in sizes:
        with (folder / str(size)).open("wb") as file:
            file.truncate(size)
    return {size: StoredFile("Video", str(folder / str(size))) for size in sizes} | {
        -1: None,
        -2: StoredFile("Video", str(folder / "missing")),
    }


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_bytes_come_in_batches_of_bounded_size(files, data):
    sizes = data.draw(st.lists(st.lists(st.sampled_from(sorted(files)), min_size=2, max_size=2), min_size=1, max_size=30))
    columns = [[files[row[i]] for row in sizes] for i in range(2)]
    ranges = list(chunks(columns, BYTES))
    assert [row for start, length in ranges for row in range(start, start + length)] == list(range(len(sizes)))
    totals = [sum(max(size, 0) for row in sizes[start : start + length] for size in row) for start, length in ranges]
    assert all(total <= CHUNK_BYTES or length == 1 for total, (_, length) in zip(totals, ranges, strict=True))
