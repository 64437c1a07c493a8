"""Places for queries: so many at once, so many waiting in order, and each comes back however its holder ends."""

import threading

import pytest
from events import eventually

from pxt_flight.errors import PxtFlightError


@pytest.fixture
def make_admission(pxt):
    from pxt_flight.engine.admission import Admission

    return lambda running=1, waiting=8, patience=30.0: Admission("test", running=running, waiting=waiting, patience=patience)


class Waiter(threading.Thread):
    """A thread that waits for a place: `place` or `fault` tells how that ended, `stop` ends it."""

    def __init__(self, admission, order=None):
        super().__init__(daemon=True)
        self._admission = admission
        self._order = order if order is not None else []
        self._waits = threading.Event()
        self.place = self.fault = self.stop = None
        self.start()
        assert self._waits.wait(10)

    def run(self):
        try:
            self.place = self._admission.enter(self._told)
            self._order.append(self)
        except PxtFlightError as fault:
            self.fault = fault
        self._waits.set()

    def _told(self, stop):
        self.stop = stop
        self._waits.set()

    def ended(self):
        self.join(10)
        assert not self.is_alive()
        return self


def test_places_are_given_in_the_order_of_arrival(make_admission):
    admission, order = make_admission(), []
    first = admission.enter()
    waiters = [Waiter(admission, order) for _ in range(4)]
    first.leave()
    for number, waiter in enumerate(waiters, 1):
        waiter.ended()
        assert order == waiters[:number]
        waiter.place.leave()
    assert admission.enter()


def test_a_full_queue_refuses_at_once(make_admission):
    admission = make_admission(waiting=1)
    held = admission.enter()
    waiter = Waiter(admission)
    refused = Waiter(admission).ended()
    assert (refused.fault.code, refused.fault.retryable, refused.fault.hint) == ("unavailable", True, "Try again.")
    held.leave()
    assert waiter.ended().place


def test_patience_ends(make_admission):
    admission = make_admission(patience=0.05)
    held = admission.enter()
    assert Waiter(admission).ended().fault.code == "unavailable"
    held.leave()
    assert admission.enter()


def test_who_is_cancelled_leaves_the_queue(make_admission):
    admission = make_admission(waiting=2)
    held = admission.enter()
    leaving, staying = Waiter(admission), Waiter(admission)
    leaving.stop()
    assert leaving.ended().fault.code == "cancelled"
    another = Waiter(admission)  # there is room again
    assert another.fault is None
    held.leave()
    staying.ended().place.leave()
    assert another.ended().place


def test_cancelling_who_has_a_place_changes_nothing(make_admission):
    admission = make_admission()
    held = admission.enter()
    waiter = Waiter(admission)
    held.leave()
    waiter.ended().stop()
    waiter.place.leave()
    admission.enter().leave()


def test_a_place_comes_back_once(make_admission):
    admission = make_admission(waiting=0)
    held = admission.enter()
    for _ in range(3):
        held.leave()
    assert admission.enter()
    with pytest.raises(PxtFlightError, match="busy"):
        admission.enter()


def test_never_more_at_once_than_there_are_places(make_admission):
    admission = make_admission(running=3, waiting=64)
    inside, most, lock = [], [], threading.Lock()

    def work():
        for _ in range(50):
            place = admission.enter()
            with lock:
                inside.append(1)
                most.append(len(inside))
            with lock:
                inside.pop()
            place.leave()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 600
    assert max(most) <= 3
    places = [admission.enter() for _ in range(3)]
    assert len(places) == 3


def test_figures_of_the_queue(make_admission):
    from prometheus_client import REGISTRY

    def shown(name):
        return REGISTRY.get_sample_value(f"pxt_flight_{name}", {"pool": "test"}) or 0

    admission = make_admission()
    before = shown("running"), shown("waiting")
    held = admission.enter()
    waiter = Waiter(admission)
    eventually(lambda: (shown("running") - before[0], shown("waiting") - before[1]) == (1, 1))
    held.leave()
    waiter.ended().place.leave()
    assert (shown("running"), shown("waiting")) == before
