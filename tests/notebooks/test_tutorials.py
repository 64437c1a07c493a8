"""The tutorials, cell by cell: nbval runs each notebook against a demo server and compares its outputs with the saved ones."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxt_flight import demo
from pxt_flight.registration import Server

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo's own server and tables, in a home of their own."""
    home = tmp_path_factory.mktemp("demo")
    os.environ["PYTHONPATH"] = str(NOTEBOOKS[0].parents[1])
    with demo.serving(home) as server:
        demo.make_tables(home, None)
        yield server


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(demo_server: Server, notebook: Path, tmp_path: Path) -> None:
    own = {name: str(tmp_path) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = os.environ | own | {"PXT_FLIGHT_URI": demo_server.flight_uri, "PXT_FLIGHT_KEY": demo_server.key}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "default", "--nbval", str(notebook)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert demo_server.key not in notebook.read_text()
