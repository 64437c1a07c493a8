"""Every operation that is served has an example, and the pages show what it asks; test_every_operation.py compares what it is answered."""

from pxt_flight.errors import CODES
from pxt_flight.reference.example_calls import EXAMPLES


def test_every_operation_has_an_example(by_action, shown):
    assert by_action.keys() == EXAMPLES.keys()
    assert by_action.keys() == shown.keys()


def test_the_pages_ask_what_the_examples_do(by_action, shown):
    from pxt_flight.reference.examples import request_of

    for action, example in EXAMPLES.items():
        asked, page = request_of(by_action[action], example.arguments), shown[action]
        assert (page.method, page.path, page.body) == (asked.method, asked.path, asked.body)
        assert page.status == (CODES[example.code].http_status if example.code else by_action[action].status)


def test_what_is_recorded_is_as_the_page_shows(guide, shown):
    from pxt_flight.reference.examples import shape

    for action in ("table.versions", "pixeltable.delete_all_tables"):
        answered, page = guide.run(action), shown[action]
        assert (answered.method, answered.path, answered.body, answered.status) == (page.method, page.path, page.body, page.status)
        assert shape(answered.answer) == shape(page.answer)
    guide.reset()


def test_what_another_run_answers_otherwise_is_left_out(shown):
    assert {
        name: exchange for name, exchange in shown.items() if "2026-01-31T12" not in repr(exchange) and "owner of" in repr(exchange)
    } == {}
