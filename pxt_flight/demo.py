"""`pxt-flight demo`: the main job on one machine, with nothing to set up."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pxt_flight.config import Settings
from pxt_flight.errors import PxtFlightError, error, from_json
from pxt_flight.registration import Server
from pxt_flight.server import running, start, stop

QUERY = "select title, width, height, brightness, sharpness, image from photos where width >= $1 order by id limit 8"
# In a checkout beside the package; in a wheel inside of it.
_NOTEBOOKS = (Path(__file__).parents[1] / "notebooks", Path(__file__).parent / "notebooks")


def run(home: Path, *, once: bool, images: Path | None) -> int:
    """Serve demo tables from `home` and show them.

    Args:
        home: the Pixeltable home; made where it does not exist.
        once: end after the query, with nothing left running.
        images: the user's own pictures in place of the demo's photographs.

    Raises:
        PxtFlightError: a part of it could not be started.
    """
    home = home.expanduser().absolute()
    with _ended_by_signals(), serving(home) as server:
        make_tables(home, images)
        _show(server)
        if not once:
            _serve_notebook(home, server)
    return 0


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Server]:
    """The server of the home: one that runs there already, or one of ours that ends with the demo."""
    if found := running(home):
        _say(f"Using the server that runs at {found.flight_uri}.")
        yield found
        return
    _say(f"Starting a server on {_shown(home)} ...")
    try:
        yield start(Settings(home=home, flight_port=0, http_port=0))
    finally:
        stop(home)


def make_tables(home: Path, images: Path | None) -> None:
    """Make the tables `photos` and `readings` in a home that a server of ours serves; what is there already stays.

    Raises:
        PxtFlightError: a table of that name is not the demo's, or the folder of pictures holds none.
    """
    # After the server: the Postgres is then the server's, and ends with it.
    command = [sys.executable, "-P", "-m", "pxt_flight.engine.samples", str(home / "samples")]
    command += [str(images.expanduser().absolute())] if images else []
    environment = os.environ | {"PIXELTABLE_HOME": str(home), "PIXELTABLE_VERBOSITY": "0", "PYTHONWARNINGS": "ignore"}
    made = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 (our own module)
    if made.returncode:
        raise _child_error(made.stderr)


def _show(server: Server) -> None:
    import polars as pl

    from pxt_flight.client.database import connect

    with connect(server.flight_uri, key=server.key) as db:
        frame = db.sql(QUERY, [64], media="thumbnail:256").to_polars()
        _say("\nRows of photos that came into polars over Arrow Flight (image is a JPEG thumbnail):\n")
        with pl.Config(tbl_rows=8, fmt_str_lengths=34, tbl_width_chars=120):
            _say(str(frame.with_columns(pl.col("image").bin.size().alias("image (bytes)")).drop("image")))
        total = db.sql("select count(*) from readings").to_arrow()["count"][0]
        _say(f"\nTables: {', '.join(db.tables())}; readings has {total} rows.")
    _say(f"Flight SQL: {server.flight_uri}\nHTTP:       {server.http_url}\nKey:        {server.key}")


def _serve_notebook(home: Path, server: Server) -> None:
    """JupyterLab with the quickstart, until Ctrl-C."""
    folder = home / "notebooks"
    source = next((place for place in _NOTEBOOKS if place.is_dir()), None)
    if source and not folder.exists():
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".*"))
    folder.mkdir(exist_ok=True)
    port, token = _free_port(), secrets.token_urlsafe(16)
    url = f"http://127.0.0.1:{port}/lab/tree/01-quickstart.ipynb?token={token}"
    options = [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    options += ["--LabApp.default_url=/lab/tree/01-quickstart.ipynb"]
    options += [] if _has_display() else ["--no-browser"]
    options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *options]
    environment = _lab_environment(home, server)
    with (home / "jupyter" / "lab.log").open("wb") as log:
        lab = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 (our own interpreter)
    _say(f"JupyterLab: {url}\n\nCtrl-C ends the demo.")
    try:
        # Not lab.wait(): Go's runtime (ADBC's driver) and polars install handlers that restart a blocked system call, so that Ctrl-C
        # would be noticed only when JupyterLab ends by itself.
        while lab.poll() is None:
            time.sleep(0.2)
    finally:
        lab.terminate()
        lab.wait()


def _lab_environment(home: Path, server: Server) -> dict[str, str]:
    """With the server's address and key, and everything that Jupyter writes kept out of the user's home."""
    folder = home / "jupyter"
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "npm_config_cache")
    own = {name: str(folder / name.lower()) for name in (*names, "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    # No question about news over the first notebook of a new user.
    page = folder / "jupyter_config_dir" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))
    return os.environ | own | {"PXT_FLIGHT_URI": server.flight_uri, "PXT_FLIGHT_KEY": server.key}


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the demo as its end does: everything that it started is stopped."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _child_error(text: str) -> PxtFlightError:
    last = text.strip().rsplit("\n", 1)[-1]
    try:
        return from_json(last.encode())
    except ValueError:
        return error("start_failed", "The demo's tables could not be made.", hint="Delete the demo's home and try again.")


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
