"""The tutorials, cell by cell: nbval runs each notebook against a demo server and compares its outputs with the saved ones."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxt_flight import demo
from pxt_flight.registration import Server

TREE = Path(__file__).parents[2]
SANITIZE = Path(__file__).with_name("sanitize.cfg")
NOTEBOOKS = sorted((TREE / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo_server(demo_folder: Path) -> Iterator[Server]:
    """The demo's own server and tables, in the folder `.demo` of a folder of their own."""
    home = demo_folder / ".demo"
    os.environ["PYTHONPATH"] = str(TREE)
    with demo.serving(home) as server:
        demo.make_tables(home, None)
        yield server


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(demo_server: Server, notebook: Path, tmp_path: Path) -> None:
    own = {name: str(tmp_path) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = os.environ | own | {"PXT_FLIGHT_URI": demo_server.flight_uri, "PXT_FLIGHT_KEY": demo_server.key}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-W",
        "default",
        "--nbval",
        "--nbval-sanitize-with",
        str(SANITIZE),
        str(notebook),
    ]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert demo_server.key not in notebook.read_text()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_holds(notebook: Path) -> None:
    """It is read on other machines, and kept: no key, grant, address or path of the machine that ran it, no script, and not too much."""
    text = notebook.read_text()
    outputs = json.dumps([cell["outputs"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"])
    outputs = re.sub(r"base64,[A-Za-z0-9+/=]+", "", outputs)
    assert not re.search(r"pxt_[A-Za-z0-9]{8}|://|/api/v1/|127\.0\.0\.1|localhost|/(home|tmp|root|Users)/|<script|\bon[a-z]+=", outputs)
    assert len(text) <= 400_000


def test_the_quickstart_shows_pictures() -> None:
    """As the output of a table and of a query."""
    cells = json.loads((TREE / "notebooks" / "01-quickstart.ipynb").read_text())["cells"]
    shown = ["".join(output.get("data", {}).get("text/html", "")) for cell in cells for output in cell.get("outputs", ())]
    assert [html.count('<img alt="Image" src="data:image/jpeg;base64,') for html in shown if "pxt-display" in html] == [20, 5]


def test_readme(demo_server: Server, demo_folder: Path) -> None:
    """The README's first block prints exactly what stands below it."""
    readme = (TREE / "README.md").read_text()
    code, printed = re.search(r"```python\n(.*?)```\n```\n(.*?)```", readme, re.DOTALL).groups()
    run = subprocess.run([sys.executable, "-c", code], cwd=demo_folder, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == (printed, "")
    assert readme[: readme.index(printed) + len(printed)].count("\n") <= 25
