"""On what it was measured."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import psutil

import pxt_flight

_PACKAGES = ("pixeltable", "pyarrow", "polars", "pandas", "adbc-driver-postgresql", "adbc-driver-flightsql", "httpx", "uvicorn", "roapi")
_QUIET = 0.5  # load per core


def facts() -> dict[str, Any]:
    """The machine and the versions of what takes part."""
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"pxt-flight": pxt_flight.__version__, "python": platform.python_version()} | versions,
    }


def load() -> list[float]:
    """The load averages of the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in psutil.getloadavg()]


def is_quiet(before: list[float]) -> bool:
    """Whether others left the machine to the run: little was to do in the minute before it, of which nothing was ours."""
    return before[0] <= _QUIET * (os.cpu_count() or 1)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
