"""The registry of public operations, for tests that declare operations of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pxt_flight import documented, public_api


@contextmanager
def _scratch() -> Iterator[None]:
    before, listed = dict(public_api._registry), dict(documented._listed)
    public_api._registry.clear()
    documented._listed.clear()
    try:
        yield
    finally:
        # The product's modules register when they are first imported, which may have been meanwhile.
        imported = {name: found for name, found in public_api._registry.items() if found.function.__module__.startswith("pxt_flight.")}
        public_api._registry.clear()
        public_api._registry.update(before | imported)
        documented._listed.update(listed)


@pytest.fixture
def empty_registry() -> Iterator[None]:
    """An empty registry for one test; what was in it is back afterwards."""
    with _scratch():
        yield


@pytest.fixture(scope="module")
def module_registry() -> Iterator[None]:
    """The same for the tests of a module."""
    with _scratch():
        yield
