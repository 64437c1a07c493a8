"""The command line: `pxt-flight serve | stop | demo | openapi | doctor`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cyclopts import App, Parameter
from pydantic import ValidationError

import pxt_flight
from pxt_flight.config import Settings
from pxt_flight.errors import PxtFlightError, error

app = App(
    name="pxt-flight",
    version=pxt_flight.__version__,
    help="Pixeltable tables over Arrow Flight SQL. Each option can also be set as PXT_FLIGHT_<NAME>.",
    default_parameter=Parameter(negative=()),
)


@app.command
def serve(
    *,
    home: Path | None = None,
    host: str | None = None,
    flight_port: int | None = None,
    http_port: int | None = None,
    public_url: str | None = None,
    router: tuple[str, ...] = (),
) -> int:
    """Serve a Pixeltable home until Ctrl-C or SIGTERM; a second one forces.

    Parameters
    ----------
    home
        The Pixeltable home; default PIXELTABLE_HOME. It is made where it does not exist.
    host
        The address to listen on; default 127.0.0.1.
    flight_port
        Port of Arrow Flight; default 8815, 0 takes a free one.
    http_port
        Port of HTTP; default 8000, 0 takes a free one.
    public_url
        The URL under which clients reach HTTP, where it differs.
    router
        A FastAPI router of your own that is served beneath /api/custom, as module:attribute; may be repeated.
    """
    from pxt_flight import server

    given: dict[str, object] = {"home": home, "host": host, "flight_port": flight_port, "http_port": http_port, "public_url": public_url}
    given["routers"] = router or None
    return server.serve(_settings({name: value for name, value in given.items() if value is not None}))


@app.command
def stop(*, home: Path | None = None) -> int:
    """Stop the server of a home, and the Postgres that it started.

    Parameters
    ----------
    home
        The Pixeltable home; default PIXELTABLE_HOME.
    """
    from pxt_flight import server

    stopped = server.stop(_settings({} if home is None else {"home": home}).home)
    print("Stopped." if stopped else "No server runs in that home.")
    return 0


@app.command
def demo(*, once: bool = False, images: Path | None = None, home: Path = Path(".demo")) -> int:
    """Make demo tables, serve them, query them into polars, and open JupyterLab with the quickstart.

    Parameters
    ----------
    once
        End after the query and leave nothing running.
    images
        A folder of your own pictures, in place of the demo's photographs.
    home
        The Pixeltable home of the demo.
    """
    from pxt_flight.demo import run

    return run(home, once=once, images=images)


@app.command
def openapi(*, version: Literal["3.1", "3.0"] = "3.1") -> int:
    """Print the OpenAPI document of the HTTP API. Needs no server and no store.

    Parameters
    ----------
    version
        Of OpenAPI; 3.0 is for tools that know no newer one.
    """
    import json

    from pxt_flight.engine.seam import probe

    probe.prepare_import()
    from pxt_flight.http.api import document

    print(json.dumps(document(version), indent=2))
    return 0


@app.command
def reference(*, format: Literal["text", "json", "opml", "markdown"] = "text") -> int:  # noqa: A002  # the option's name
    """List the public operations; no server is needed.

    Parameters
    ----------
    format
        `text` (a line for each), `json`, `markdown` (a table), or `opml`, the outline of the whole public API.
    """
    from pxt_flight.engine.seam import probe

    probe.prepare_import()
    from pxt_flight.reference.listing import FORMATS
    from pxt_flight.reference.projections import product_operations

    print(FORMATS[format](product_operations()), end="")
    return 0


@app.command
def doctor(*, home: Path | None = None, json: bool = False) -> int:
    """Look whether everything is right: packages, home, server, Postgres. It changes nothing.

    Parameters
    ----------
    home
        The Pixeltable home; default PIXELTABLE_HOME, else ~/.pixeltable if it exists.
    json
        Print JSON in place of lines.
    """
    from pxt_flight.doctor.report import run

    return run(home, as_json=json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; answers the exit status: 0, 1 (a fault of ours), 2 (the request is at fault)."""
    try:
        return int(app(arguments, result_action="return_value") or 0)
    except PxtFlightError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2


def _settings(given: dict[str, object]) -> Settings:
    # Pixeltable's own variable names the home too; ours, and the option, come first.
    if "home" not in given and "PXT_FLIGHT_HOME" not in os.environ and "PIXELTABLE_HOME" in os.environ:
        given = given | {"home": os.environ["PIXELTABLE_HOME"]}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as fault:
        first = fault.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "missing":
            raise error("INVALID_CONFIGURATION", "No home was named.", hint="Name one with --home DIR, or set PIXELTABLE_HOME.") from None
        raise error("INVALID_CONFIGURATION", f"{name}: {first['msg']}", where={"setting": name}) from None
