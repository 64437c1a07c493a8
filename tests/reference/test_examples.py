"""Every operation that is served has an example, and a server answers it as the pages show."""

from pathlib import Path

import pytest

from pxt_flight.reference.example_calls import EXAMPLES

TREE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recorded(store):
    from pxt_flight.reference import examples

    return examples.read_recorded((TREE / examples.PATH).read_text(encoding="utf-8"))


@pytest.mark.parametrize("action", EXAMPLES)
def test_it_is_answered_as_the_page_shows(guide, recorded, action):
    from pxt_flight.public_api import operations
    from pxt_flight.reference.examples import shape

    answered, shown = guide.run(action), recorded[action]
    assert (answered.method, answered.path, answered.body) == (shown.method, shown.path, shown.body)
    assert answered.status == shown.status
    assert shape(answered.answer) == shape(shown.answer)
    (operation,) = (operation for operation in operations() if operation.action == action)
    assert answered.status == (EXAMPLES[action].status or operation.status), answered.answer


def test_every_operation_has_an_example(store):
    from pxt_flight.operations.dispatch import import_operations
    from pxt_flight.public_api import operations

    import_operations()
    served = {
        operation.action for operation in operations() if operation.endpoint and operation.function.__module__.startswith("pxt_flight.")
    }
    assert served == EXAMPLES.keys()


def test_what_another_run_answers_otherwise_is_left_out(recorded):
    assert {
        name: exchange for name, exchange in recorded.items() if "2026-01-31T12" not in repr(exchange) and "owner of" in repr(exchange)
    } == {}
