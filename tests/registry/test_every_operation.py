"""Every operation of the registry, on every wire: it succeeds, and refuses what is at fault without changing anything."""

import json
from typing import Any

import pytest
from examples import EXAMPLES
from pydantic import TypeAdapter, ValidationError

from pxt_flight.errors import CODES

WIRES = ("path", "name", "flight")
TABLE, NOTHING = "films", "nothing_here"
# What no argument of another type takes; the first that is refused is sent.
STRANGE: tuple[Any, ...] = ({"strange": [None]}, [{"strange": 1}], "strange", 3.5, -1)


@pytest.fixture(params=[(name, way) for name in EXAMPLES for way in WIRES], ids=" over ".join)
def asked(request):
    return request.param


@pytest.fixture
def name(asked):
    return asked[0]


@pytest.fixture
def way(asked):
    return asked[1]


@pytest.fixture
def called(name, operation_of):
    """The operation and its example."""
    return operation_of(EXAMPLES[name].operation or name), EXAMPLES[name]


@pytest.fixture
def ask(called, way, wires, place):
    """Call the operation over the wire: `ask(arguments)`, or with another key."""
    operation, example = called

    def ask(arguments, key="owner"):
        return wires[way].ask(operation, arguments, example.rows, place.keys.get(key))

    return ask


def filled(arguments, table, new="brand_new"):
    """Arguments with the names of a table and of none."""
    names = {"{table}": table, "{folder}": f"{table}_folder", "{new}": new}
    text = json.dumps(dict(arguments))
    for placeholder, path in names.items():
        text = text.replace(placeholder, path)
    return json.loads(text)


def fault_of(code):
    return CODES[code].http_status, code


def test_every_operation_has_an_example(operation_of):
    from pxt_flight.public_api import operations

    assert {operation.name for operation in operations() if operation.endpoint} == {
        example.operation or name for name, example in EXAMPLES.items()
    }


def test_it_succeeds(called, way, ask, wires, operation_of, new_films, place, state):
    operation, example = called
    changes = operation.permission != "read" and example.is_change
    table = new_films() if changes else TABLE
    for earlier, arguments in example.before:
        before = wires["flight"].ask(operation_of(earlier), filled(arguments, table), None, place.keys["owner"])
        assert before.code is None, before
    was = state()
    answer = ask(filled(example.arguments, table, f"new_{table}_{way}"))
    assert (state() != was) == changes, answer
    if example.answer:
        assert answer.fault == fault_of(example.answer)
        return
    assert answer.code is None, answer
    assert answer.status == (200 if way == "flight" else operation.status)
    if answer.body is not None and not operation.answers_rows:
        operation.response.validate_python(answer.body)
    if operation.answers_rows:
        assert answer.body


def test_bad_input(called, way, ask, wires, state):
    """An argument that there is not, one of another type, and one that is missing."""
    (operation, example), wire = called, wires[way]
    good = filled(example.arguments, TABLE)
    in_url = wire.names_in_url(operation)
    # What probes health may add what it likes to the URL, against caches.
    bad = {"unknown": good | {"unknown": 1}} if operation.auth_required or way == "flight" else {}
    for argument, (kind, default) in operation.arguments.items():
        if argument in in_url:
            continue
        for value in STRANGE:
            if is_refused(kind, value, as_text=wire.is_query(operation, example.rows)):
                bad[f"{argument}={value}"] = good | {argument: value}
                break
        if default is ...:
            bad[f"no {argument}"] = {other: value for other, value in good.items() if other != argument}
    was = state()
    answered = {what: ask(arguments).fault for what, arguments in bad.items()}
    assert answered == dict.fromkeys(bad, fault_of("INVALID_ARGUMENT"))
    assert state() == was


def is_refused(kind, value, *, as_text):
    """Whether a value is none of an argument's; in a query string every text is one of an argument that is a text."""
    try:
        if as_text:
            text = value if isinstance(value, str) else json.dumps(value)
            TypeAdapter(kind).validate_strings(text)
        else:
            TypeAdapter(kind).validate_json(json.dumps(value))
    except ValidationError:
        return True
    return False


def test_something_that_is_not_there(called, ask, state):
    _, example = called
    was = state()
    if example.missing:
        assert ask(filled(example.arguments, NOTHING)).fault == fault_of(example.missing)
    assert state() == was


def test_no_key(called, way, wires, state):
    operation, example = called
    was = state()
    for key, code in ((None, "key_missing"), ("pxt_" + "0" * 36, "key_invalid")):
        answer = wires[way].ask(operation, filled(example.arguments, TABLE), example.rows, key)
        # Health is for everybody, over HTTP: Flight lets nobody in without a key.
        assert answer.fault == (fault_of(code) if operation.auth_required or way == "flight" else (operation.status, None))
    assert state() == was


def test_a_key_without_the_permission(called, ask, state):
    operation, example = called
    was = state()
    if operation.permission is None:
        assert ask(filled(example.arguments, TABLE), "others").code is None
        return
    answer = ask(filled(example.arguments, TABLE), f"not {operation.permission}")
    assert answer.fault == fault_of("permission_denied")
    assert state() == was
    # What one may not do is told before what one may not see.
    answer = ask(filled(example.arguments, NOTHING), f"not {operation.permission}")
    assert answer.fault == fault_of("permission_denied")


def test_a_key_of_other_tables(called, ask, state):
    """What one may not see does not exist: the same answer as for what there is not, and no word of it elsewhere."""
    _, example = called
    was = state()
    answer = ask(filled(example.arguments, TABLE), "others")
    if example.refused:
        assert answer.fault == fault_of(example.refused)
        unknown = ask(filled(example.arguments, NOTHING, NOTHING), "others")
        assert unknown.fault == answer.fault
        assert unknown.body.get("hint") == answer.body.get("hint")
    else:
        assert TABLE not in answer.text
    assert state() == was
