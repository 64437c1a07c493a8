"""The tables that `type_table` names: for every type two values and a NULL."""

import datetime as dt
import io
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from clips import pdf, write_sound, write_video
from PIL import Image

THEN = 7
"""The version of `matrix_values` that is old."""
_RED_BOX = b"1 0 0 rg 0 0 100 50 re f"


def make_store(pxt: Any, folder: Path) -> dict[str, Any]:
    """Make all tables; answers them by name."""
    import pixeltable.functions

    from tests.matrix.matrix_functions import embedded, inverse

    values = pxt.create_table("matrix_values", _schema(pxt))
    values.insert([*_rows(folder), {"id": 2}])
    values.add_computed_column(doubled=values.id * 2)
    values.add_computed_column(length=pixeltable.functions.string.len(values.words), stored=False)
    values.add_computed_column(tripled=values.id * 3, stored=False)
    values.add_computed_column(failing=inverse(values.whole), on_error="ignore")
    values.add_computed_column(small=values.image.resize((8, 4)), stored=False)
    values.add_embedding_index("words", embedding=embedded)
    files = [{"id": row["id"], "image": row["image"], "clip": row["video"]} for row in _rows(folder)]
    unchecked = pxt.create_table(
        "matrix_on_read", {"id": pxt.Int, "image": pxt.Image | None, "clip": pxt.Video | None}, media_validation="on_read"
    )
    unchecked.insert([*files, {"id": 2}])
    operational = pxt.create_table("matrix_operational", {"id": pxt.Int, "words": pxt.String | None}, _is_data_versioned=False)
    operational.insert([{"id": 0, "words": "é🙂"}, {"id": 1, "words": ""}, {"id": 2}])
    made = {"matrix_values": values, "matrix_on_read": unchecked, "matrix_operational": operational}
    made["matrix_view"] = pxt.create_view("matrix_view", values.where(values.id >= 0), additional_columns={"note": pxt.String | None})
    made["matrix_view"].update({"note": "50% of it's"}, where=values.id < 2)
    tiled = values.where(values.id < 2)
    made["matrix_tiles"] = pxt.create_view("matrix_tiles", tiled, iterator=pixeltable.functions.image.tile_iterator(values.image, (80, 60)))
    made["matrix_kept"] = pxt.create_snapshot("matrix_kept", values)
    assert values.get_metadata()["version"] == THEN
    values.update({"changed": "now"}, where=values.id == 0)
    return made | {f"matrix_values:{THEN}": pxt.get_table(f"matrix_values:{THEN}")}


def _schema(pxt: Any) -> dict[str, Any]:
    kinds = {
        "whole": pxt.Int,
        "real": pxt.Float,
        "words": pxt.String,
        "flag": pxt.Bool,
        "moment": pxt.Timestamp,
        "day": pxt.Date,
        "uid": pxt.UUID,
        "document_of_json": pxt.Json,
        "json_with_objects": pxt.Json,
        "small_array": pxt.Array[(3,), np.float32],
        "large_array": pxt.Array[(20, 30), np.float32],
        "bits": pxt.Array[(5,), np.bool_],
        "texts": pxt.Array[(2,), np.str_],
        "ragged": pxt.Array[(None,), np.float32],
        "ragged_rows": pxt.Array[(None, 3), np.int64],
        "any_shape": pxt.Array[np.float32],
        "any_array": pxt.Array,
        "small_bytes": pxt.Binary,
        "large_bytes": pxt.Binary,
        "image": pxt.Image,
        "video": pxt.Video,
        "audio": pxt.Audio,
        "document": pxt.Document,
        "changed": pxt.String,
    }
    return {"id": pxt.Int} | {name: kind | None for name, kind in kinds.items()}


def _rows(folder: Path) -> list[dict[str, Any]]:
    files = _files(folder)
    picture = Image.open(io.BytesIO(_png("teal")))
    first = {
        "whole": 2**53 + 1,
        "real": 0.1,
        "words": "50% of it's é🙂",
        "flag": True,
        "moment": dt.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=dt.UTC),
        "day": dt.date(2024, 2, 29),
        "uid": uuid.UUID("12345678-9abc-4def-8123-456789abcdef"),
        "document_of_json": {"a": [1, None, "é🙂", {"b": []}], "": 1e-7},
        "json_with_objects": {"image": picture, "array": np.arange(6.0).reshape(3, 2), "bytes": b"\x00\xff"},
        "small_array": np.array([1, 2.5, -3], np.float32),
        "large_array": np.arange(600, dtype=np.float32).reshape(20, 30),
        "bits": np.array([True, False, True, True, False]),
        "texts": np.array(["a", "é🙂"]),
        "ragged": np.arange(7, dtype=np.float32),
        "ragged_rows": np.arange(6).reshape(2, 3),
        "any_shape": np.ones((2, 2, 2), np.float32),
        "any_array": np.arange(4, dtype=np.int8),
        "small_bytes": b"\x00\x01\xff",
        "large_bytes": bytes(range(256)) * 2000,
        "changed": "then",
    }
    second = first | {
        "whole": 0,
        "real": -0.0,
        "words": "",
        "flag": False,
        "moment": dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        "day": dt.date(1, 1, 1),
        "uid": uuid.UUID(int=0),
        "document_of_json": [],
        "json_with_objects": [[np.arange(5000)], "text"],
        "small_array": np.array([np.inf, 0, -0.0], np.float32),
        "ragged": np.arange(400, dtype=np.float32),
        "ragged_rows": np.arange(900).reshape(-1, 3),
        "any_shape": np.ones(3, np.float32),
        "any_array": np.ones((2, 2)),
        "small_bytes": b"",
        "changed": "too",
    }
    return [{"id": i, **row, **{kind: str(path[i]) for kind, path in files.items()}} for i, row in enumerate([first, second])]


def _png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(out, "PNG")
    return out.getvalue()


def _files(folder: Path) -> dict[str, list[Path]]:
    """Two files of each kind of media; made once."""
    paths = {
        kind: [folder / f"{kind} {i}.{end}" for i in range(2)]
        for kind, end in {"image": "png", "video": "mp4", "audio": "wav", "document": "pdf"}.items()
    }
    if paths["image"][0].exists():
        return paths
    for i in range(2):
        Image.new("RGB", (80, 60), ("teal", "orange")[i]).save(paths["image"][i])
        write_video(paths["video"][i], frames=3 + i)
        write_sound(paths["audio"][i], seconds=0.2 + i / 10, rate=8000)
        paths["document"][i].write_bytes(pdf(_RED_BOX, pages=1 + i))
    return paths
