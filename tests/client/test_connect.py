"""How `connect` finds a server: each step alone, their order, and what is said where one fails."""

import json

import pytest

import pxt_flight as pf
from pxt_flight.client.discovery import profile_path

WRONG = "grpc://127.0.0.1:1"


@pytest.fixture
def write(tmp_path):
    """Write a credentials file; answers its path."""

    def write(content, mode=0o600, path=None):
        path = path or tmp_path / "credentials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path.chmod(mode)
        return str(path)

    return write


@pytest.fixture
def good(server):
    return {"uri": server.flight_uri, "key": server.key}


def connected(**arguments):
    with pf.connect(**arguments) as db:
        assert isinstance(db.tables(), list)
        return db.uri


def refused(kind=pf.ConnectError, **arguments):
    with pytest.raises(kind) as caught:
        pf.connect(**arguments)
    return caught.value


def test_by_arguments(nowhere, server, monkeypatch):
    assert connected(uri=server.flight_uri, key=server.key) == server.flight_uri
    assert connected(uri=server.flight_uri.replace("grpc://", f"pxt://{server.key}@")) == server.flight_uri
    monkeypatch.setenv("PXT_FLIGHT_KEY", server.key)
    assert connected(uri=server.flight_uri) == server.flight_uri


def test_an_address_alone(nowhere, server):
    fault = refused(pf.UnauthenticatedError, uri=server.flight_uri)
    assert (fault.code, fault.message, fault.where) == ("key_missing", "No key was given.", {"step": "the arguments"})


@pytest.mark.parametrize("variable", ["PXT_FLIGHT_CREDENTIALS", "KERNEL_PXT_FLIGHT_CREDENTIALS"])
def test_by_a_credentials_file(nowhere, server, good, write, monkeypatch, variable):
    monkeypatch.setenv(variable, write(good))
    assert connected() == server.flight_uri


@pytest.mark.parametrize("prefix", ["PXT_FLIGHT_", "KERNEL_PXT_FLIGHT_"])
def test_by_environment(nowhere, server, monkeypatch, prefix):
    monkeypatch.setenv(f"{prefix}URI", server.flight_uri)
    fault = refused(pf.UnauthenticatedError)
    assert fault.code == "key_missing"
    assert fault.hint == f"{prefix}URI is set; pass key=, or set {prefix}KEY."
    monkeypatch.setenv(f"{prefix}KEY", server.key + "\n")
    assert connected() == server.flight_uri
    monkeypatch.delenv(f"{prefix}KEY")
    assert connected(key=server.key) == server.flight_uri


def test_a_key_is_never_taken_from_one_pair_for_another(nowhere, server, monkeypatch):
    monkeypatch.setenv("KERNEL_PXT_FLIGHT_URI", server.flight_uri)
    monkeypatch.setenv("PXT_FLIGHT_KEY", server.key)
    assert refused(pf.UnauthenticatedError).code == "key_missing"


def test_by_profile(nowhere, server, good, write, monkeypatch, tmp_path):
    write(good, path=nowhere / ".config" / "pxt-flight" / "profile.json")
    assert connected() == server.flight_uri
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert refused().where["tried"][2] == "the user's profile"
    write(good, path=tmp_path / "other" / "pxt-flight" / "profile.json")
    assert connected() == server.flight_uri
    assert profile_path() == tmp_path / "other" / "pxt-flight" / "profile.json"


@pytest.mark.parametrize("named_by", ["argument", "PIXELTABLE_HOME", "~/.pixeltable"])
def test_by_the_home_of_a_server(nowhere, server, store, monkeypatch, named_by):
    if named_by == "PIXELTABLE_HOME":
        monkeypatch.setenv("PIXELTABLE_HOME", str(store))
    if named_by == "~/.pixeltable":
        (nowhere / ".pixeltable").symlink_to(store)
    assert connected(home=store if named_by == "argument" else None) == server.flight_uri


def test_the_order_of_the_steps(nowhere, server, store, good, write, monkeypatch):
    """Each earlier step is the wrong server, so that whichever answers is known."""
    steps = [
        lambda: monkeypatch.setenv("PIXELTABLE_HOME", str(store)),
        lambda: write({"uri": WRONG, "key": "pxt_1"}, path=profile_path()),
        lambda: monkeypatch.setenv("KERNEL_PXT_FLIGHT_URI", server.flight_uri) or monkeypatch.setenv("KERNEL_PXT_FLIGHT_KEY", server.key),
        lambda: monkeypatch.setenv("PXT_FLIGHT_URI", WRONG) or monkeypatch.setenv("PXT_FLIGHT_KEY", "pxt_2"),
        lambda: monkeypatch.setenv("KERNEL_PXT_FLIGHT_CREDENTIALS", write(good)),
        lambda: monkeypatch.setenv("PXT_FLIGHT_CREDENTIALS", write({"uri": WRONG, "key": "pxt_3"}, path=nowhere / "wrong.json")),
    ]
    named = [
        "the user's profile",
        "PXT_FLIGHT_URI and PXT_FLIGHT_KEY",
        "the file of PXT_FLIGHT_CREDENTIALS",
    ]
    for number, step in enumerate(steps):
        step()
        if number % 2 == 0:
            assert connected() == server.flight_uri
        else:
            fault = refused()
            assert fault.where["step"] == named[number // 2]
            assert fault.hint.endswith(f"Address and key came from {named[number // 2]}.")
    assert connected(uri=server.flight_uri, key=server.key) == server.flight_uri
    assert connected(home=store) == server.flight_uri


def test_a_wrong_key_says_where_it_came_from(nowhere, server, write, monkeypatch):
    monkeypatch.setenv("PXT_FLIGHT_CREDENTIALS", write({"uri": server.flight_uri, "key": "pxt_wrong"}))
    fault = refused(pf.UnauthenticatedError)
    assert (fault.code, fault.where["step"]) == ("key_invalid", "the file of PXT_FLIGHT_CREDENTIALS")
    assert "pxt_wrong" not in f"{fault}{fault.where}"


@pytest.mark.parametrize("key", ["a\nb", "\x00", "ä", "x" * 100_000], ids=["line", "nul", "umlaut", "long"])
def test_a_key_that_cannot_be_sent(nowhere, server, key):
    with pytest.raises(pf.PxtFlightError) as caught:
        pf.connect(server.flight_uri, key=key)
    assert isinstance(caught.value, pf.ConnectError | pf.UnauthenticatedError)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(nowhere, good, write, monkeypatch, mode):
    monkeypatch.setenv("PXT_FLIGHT_CREDENTIALS", write(good, mode=mode))
    fault = refused()
    assert fault.message == "The file of PXT_FLIGHT_CREDENTIALS can be read or written by others."
    assert "chmod 600" in fault.hint


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"key": "pxt_x"}', '{"uri": 1}', '{"uri": "grpc://h:1", "key": 5}'])
def test_a_damaged_credentials_file(nowhere, write, monkeypatch, content):
    path = write(content)
    monkeypatch.setenv("PXT_FLIGHT_CREDENTIALS", path)
    fault = refused()
    assert fault.code == "connect_failed"
    assert path not in f"{fault}{fault.where}"


def test_a_half_credentials_file_and_a_missing_one(nowhere, write, monkeypatch):
    monkeypatch.setenv("PXT_FLIGHT_CREDENTIALS", write({"uri": WRONG}))
    assert refused(pf.UnauthenticatedError).hint == 'Add "key" to the file of PXT_FLIGHT_CREDENTIALS.'
    monkeypatch.setenv("PXT_FLIGHT_CREDENTIALS", "/does/not/exist")
    assert refused().message == "The file of PXT_FLIGHT_CREDENTIALS cannot be read."


def test_no_way_is_left(nowhere):
    fault = refused()
    assert fault.where["tried"] == [
        "PXT_FLIGHT_CREDENTIALS",
        "PXT_FLIGHT_URI with PXT_FLIGHT_KEY",
        "the user's profile",
        "~/.pixeltable (no such folder)",
    ]
    for step in fault.where["tried"]:
        assert step in fault.hint
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize("made", [False, True], ids=["no folder", "a folder of something else"])
def test_nothing_is_made_in_what_is_no_home(nowhere, tmp_path, made):
    home = tmp_path / "elsewhere"
    if made:
        home.mkdir()
        (home / "thesis.txt").touch()
    fault = refused(home=home)
    assert fault.code == "connect_failed"
    assert ("no such folder" if not made else "that folder is no Pixeltable home") in fault.where["tried"][0]
    assert str(home) not in str(fault)
    assert [path.name for path in home.glob("*")] == (["thesis.txt"] if made else [])


def test_arguments_that_do_not_go_together(nowhere, store):
    assert refused(pf.InvalidRequestError, uri=WRONG, key="x", home=store).message == "Both uri and home were given."
