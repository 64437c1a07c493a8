"""Thumbnails of photographs through the server: all made, then all kept."""

import io
import os
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pixeltable as pxt
import psutil
from PIL import Image

import pxt_flight as pf
from benchmarks.memory import watch
from pxt_flight.engine.sample_photos import photos, render

SIZE = (1024, 768)
_BYTES = 100_000  # of a file, about
_QUALITIES = range(60, 98, 3)
_DISTINCT = 50  # as many pictures, each in several files: none is read twice, and encoding takes longer than decoding
_MEDIA = "thumbnail:256"
_MIB = 1 << 20
_TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds of CPU below which Linux tells nothing: a pass of few photographs may take less."""


@dataclass(frozen=True)
class Pass:
    """One reading of all thumbnails.

    Attributes:
        wall: seconds until the client had them.
        cpu: seconds of the data plane, over all its threads.
        growth: MiB of its resident set at the peak, over what it was before.
    """

    wall: float
    cpu: float
    growth: float


def fill(name: str, folder: Path, count: int) -> Any:
    """A table of so many photographs, which are written into a folder."""
    folder.mkdir()
    encoded = [_encoded(render(photo)) for photo in photos()[: min(count, _DISTINCT)]]
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(encoded[number % len(encoded)])
    table = pxt.create_table(name, {"image": pxt.Image})
    table.insert([{"image": str(path)} for path in paths])
    return table


def read(db: pf.Database, table: str, count: int, pid: int, *, forget: Path | None = None) -> Pass:
    """Read all thumbnails of a table.

    Args:
        db: a connection.
        table: its name.
        count: its rows.
        pid: of the data plane.
        forget: the folder of what is kept, to delete before.

    Raises:
        RuntimeError: not every row came with a thumbnail of the right size.
    """
    if forget is not None:
        shutil.rmtree(forget, ignore_errors=True)
    with watch(pid) as peak:
        cpu, began = _cpu(pid), time.perf_counter()
        batches = list(db.sql(f"SELECT image FROM {table}", media=_MEDIA).to_reader())
        passed = time.perf_counter() - began
        spent = _cpu(pid) - cpu
    made = [value for batch in batches for value in batch["image"].to_pylist()]
    if len(made) != count or any(Image.open(io.BytesIO(value)).size != (256, 192) for value in made):
        raise RuntimeError(f"{len(made)} thumbnails came of {count} photographs, or of a wrong size")
    return Pass(passed, spent, peak.growth / _MIB)


def line(contender: str, passes: list[Pass], count: int) -> dict[str, Any]:
    """What is told of some passes."""
    wall, cpu = (statistics.median(getattr(one, name) for one in passes) for name in ("wall", "cpu"))
    return {
        "contender": contender,
        "photographs": count,
        "wall_median_s": wall,
        "server_cpu_median_s": cpu,
        "per_s": round(count / wall),
        "per_s_of_one_core": round(count / max(cpu, _TICK)),
        "growth_mib": max(one.growth for one in passes),
        "rounds": [vars(one) for one in passes],
    }


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _encoded(picture: bytes) -> bytes:
    """A picture as a photograph of about `_BYTES`."""
    with Image.open(io.BytesIO(picture)) as opened:
        large = opened.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    data = b""
    for quality in _QUALITIES:
        out = io.BytesIO()
        large.save(out, "JPEG", quality=quality)
        data = out.getvalue()
        if len(data) >= _BYTES:
            break
    return data
