"""The control plane's application on a real connection, around an API that a test writes."""

import contextlib

import pytest
from fastapi import FastAPI
from http_application import serve_app

from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening
from pxt_flight.http.problems import add_handlers


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Serve an API inside of the application: `with serve(api, **options) as (host, port)`."""

    @contextlib.contextmanager
    def serve(api, **options):
        opening = Opening(lambda: object(), lambda _store: api)
        opening.begin()
        app = create_app(tmp_path_factory.mktemp("home"), opening, **options)
        with serve_app(app) as address:
            yield address

    return serve


@pytest.fixture(scope="module")
def api():
    """An API with our handlers of errors."""
    api = FastAPI()
    add_handlers(api)
    return api
