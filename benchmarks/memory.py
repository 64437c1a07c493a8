"""How much memory the data plane takes for a stream that is far larger: its resident set over its idle one."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

import pxt_flight as pf

_PERIOD = 0.005  # seconds between two looks
_CLEAR_PEAK = "5"  # proc(5), /proc/pid/clear_refs: reset the peak resident set size


@dataclass
class Peak:
    """A process's resident memory in bytes: when the watch began, and at its highest since."""

    idle: int
    highest: int

    @property
    def growth(self) -> int:
        return self.highest - self.idle


def stream_growth(db: pf.Database, table: str, rows: int, pid: int) -> Peak:
    """The memory of the data plane (process `pid`) while a client reads a table batch by batch.

    Raises:
        RuntimeError: not all rows came.
    """
    # The warm-up loads code and opens connections; it must not leave the buffers behind that a long stream is to be charged for.
    db.sql(f"SELECT * FROM {table} LIMIT 1000").to_arrow()
    seen = 0
    with watch(pid) as peak:
        for batch in db.sql(f"SELECT * FROM {table}").to_reader():
            seen += batch.num_rows
    if seen != rows:
        raise RuntimeError(f"the stream had {seen} rows, not {rows}")
    return peak


@contextlib.contextmanager
def watch(pid: int) -> Iterator[Peak]:
    """Watch the resident memory of a process: sampled everywhere, exact on Linux, whose kernel keeps the peak."""
    process = psutil.Process(pid)
    idle = process.memory_info().rss
    peak, ended = Peak(idle, idle), threading.Event()
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text(_CLEAR_PEAK)

    def sample() -> None:
        while not ended.wait(_PERIOD):
            peak.highest = max(peak.highest, process.memory_info().rss)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        ended.set()
        sampler.join()
        peak.highest = max(peak.highest, _kernel_peak(pid))


def _kernel_peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
