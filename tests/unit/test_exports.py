"""The root of the package: what it offers, and what importing it costs."""

import json
import subprocess
import sys

import pytest

import pxt_flight

HEAVY = ["pyarrow", "pixeltable", "sqlglot", "fastapi", "psycopg", "polars", "pandas", "PIL", "pydantic", "adbc_driver_flightsql"]


def imported_by(statement):
    """Which of the heavy packages a fresh interpreter has imported after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(run.stdout))


def test_everything_listed_is_there_and_nothing_else_is_public():
    assert pxt_flight.__all__ == sorted(pxt_flight.__all__)
    assert len(pxt_flight.__all__) <= 22
    offered = {name for name in pxt_flight.__all__ if getattr(pxt_flight, name) is not None}
    assert offered == set(pxt_flight.__all__)
    own = {
        name
        for name, value in vars(pxt_flight).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("pxt_flight")
    }
    assert own <= set(pxt_flight.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pxt_flight.nothing


def test_every_error_is_offered():
    from pxt_flight.errors import CODES

    assert {kind.__name__ for kind in CODES.values()} | {"PxtFlightError"} <= set(pxt_flight.__all__)


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("import pxt_flight") == set()


@pytest.mark.parametrize(
    "statement",
    [
        "import pxt_flight; pxt_flight.connect",
        "from pxt_flight.client.database import Database",
        "from pxt_flight.client.result import Result",
        "from pxt_flight import connect, Database, Result, Table",
    ],
)
def test_the_client_needs_arrow_and_its_driver_only(statement):
    # pyarrow and the driver's manager look for pandas and polars themselves, and do without.
    assert imported_by(statement) <= {"pyarrow", "adbc_driver_flightsql", "pandas", "polars"}


@pytest.mark.parametrize("module", ["pxt_flight.server", "pxt_flight.supervisor", "pxt_flight.plane", "pxt_flight.config"])
def test_the_supervisor_stays_light(module):
    assert imported_by(f"import {module}") <= {"pydantic"}
