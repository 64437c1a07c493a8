"""Keeping a bounded number of values, from many threads at once."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pxt_flight.engine.kept import Kept


def test_the_oldest_goes_first():
    kept = Kept[str, int](2)
    assert [kept.put(name, number) for number, name in enumerate("abc")] == [0, 1, 2]
    assert [kept.get(name) for name in "abc"] == [None, 1, 2]
    kept.put("b", 7)
    assert (kept.get("b"), kept.get("c")) == (7, 2)
    kept.clear()
    assert kept.get("c") is None


@pytest.fixture
def eager_switching():
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_threads_that_fill_it_at_once(eager_switching):
    kept, start = Kept[tuple[int, int], int](64), threading.Barrier(6)

    def fill(thread):
        start.wait()
        return [kept.put((thread, number), number) for number in range(20_000)][-1]

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(fill, range(6))) == [19_999] * 6
    assert sum(kept.get((thread, number)) is not None for thread in range(6) for number in range(20_000)) == 64
