"""Every operation, on every wire: it succeeds, as the pages show, and refuses what is at fault without changing anything."""

import json
import re
from typing import Any

import pytest
from calls import CALLS, HIDDEN
from pydantic import TypeAdapter, ValidationError

from pxt_flight.errors import CODES
from pxt_flight.reference.example_calls import DIRECTORIES, EXAMPLES, TABLES

WIRES = ("path", "name", "flight")
# What is there by then, and the code where it is not.
THERE = dict.fromkeys(TABLES, "TABLE_NOT_FOUND") | dict.fromkeys(DIRECTORIES, "DIRECTORY_NOT_FOUND")
# What no argument of another type takes; the first that is refused is sent.
STRANGE: tuple[Any, ...] = ({"strange": [None]}, [{"strange": 1}], "strange", 3.5, -1)


@pytest.fixture(params=[(name, way) for name in CALLS for way in WIRES], ids=" over ".join)
def asked(request):
    return request.param


@pytest.fixture
def way(asked):
    return asked[1]


@pytest.fixture
def called(asked, by_action):
    """The operation and its example."""
    action, example = CALLS[asked[0]]
    return by_action[action], example


@pytest.fixture
def ask(called, way, wires, place):
    """Call the operation over the wire: `ask(arguments)`, or with another key."""

    def ask(arguments, key="owner"):
        return wires[way].ask(called[0], arguments, place.keys.get(key))

    return ask


def elsewhere(arguments):
    """Arguments that name what is not there."""
    return json.loads(re.sub(rf"\b({'|'.join(THERE)})\b", "nothing_here", json.dumps(arguments)))


def missing(arguments):
    """The code where what they name is not there; None where they name nothing."""
    words = re.findall(r"\w+", json.dumps(arguments))
    return next((code for name, code in THERE.items() if name in words), None)


def fault_of(code):
    return CODES[code].http_status, code


def changes(operation, example):
    """Whether a call changes the store, as it does with a permission for more than to read; an export writes beside it."""
    return operation.permission not in (None, "read") and operation.category != "exports" and not example.code


def test_it_succeeds(called, way, ask, guide, state, shown):
    from pxt_flight.reference.examples import shape

    operation, example = called
    try:
        for action, arguments in example.before:
            guide.call(action, arguments)
        was = state()
        answer = ask(example.arguments)
        assert (state() != was) == changes(operation, example), answer
    finally:
        if example.before or changes(operation, example):
            guide.reset()
    if way == "path" and example is EXAMPLES[operation.action]:
        assert shape(answer.body) == shape(shown[operation.action].answer)
    if example.code:
        assert answer.fault == fault_of(example.code)
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
    good = example.arguments
    in_url = wire.names_in_url(operation)
    # What probes health may add what it likes to the URL, against caches.
    bad = {"unknown": good | {"unknown": 1}} if operation.auth_required or way == "flight" else {}
    for argument, (kind, default) in operation.arguments.items():
        if argument in in_url:
            continue
        for value in STRANGE:
            if is_refused(kind, value, as_text=wire.is_query(operation, good)):
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
    if code := missing(example.arguments):
        assert ask(elsewhere(example.arguments)).fault == fault_of(code)
    assert state() == was


def test_no_key(called, way, wires, state):
    operation, example = called
    was = state()
    for key, code in ((None, "key_missing"), ("pxt_" + "0" * 36, "key_invalid")):
        answer = wires[way].ask(operation, example.arguments, key)
        # Health is for everybody, over HTTP: Flight lets nobody in without a key.
        assert answer.fault == (fault_of(code) if operation.auth_required or way == "flight" else (operation.status, None))
    assert state() == was


def test_a_key_without_the_permission(called, ask, state):
    operation, example = called
    was = state()
    if operation.permission is None:
        assert ask(example.arguments, "others").code is None
        return
    answer = ask(example.arguments, f"not {operation.permission}")
    assert answer.fault == fault_of("permission_denied")
    assert state() == was
    # What one may not do is told before what one may not see.
    answer = ask(elsewhere(example.arguments), f"not {operation.permission}")
    assert answer.fault == fault_of("permission_denied")


def test_a_key_of_other_tables(called, ask, state):
    """What one may not see does not exist: the same answer as for what there is not, and no word of it elsewhere."""
    operation, example = called
    was = state()
    answer = ask(example.arguments, "others")
    if code := HIDDEN.get(operation.action, missing(example.arguments)):
        assert answer.fault == fault_of(code)
        unknown = ask(elsewhere(example.arguments), "others")
        assert unknown.fault == answer.fault
        assert unknown.body.get("hint") == answer.body.get("hint")
    else:
        assert not any(name in answer.text for name in THERE)
    assert state() == was
