"""`pxt-flight doctor`: what it says of a machine and a home, good and bad, and that it changes nothing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from pxt_flight import postgres
from pxt_flight.doctor import environment, home
from pxt_flight.doctor.check import Check
from pxt_flight.doctor.report import run
from pxt_flight.registration import running


def by_name(checks):
    return {check.name: check for check in checks}


@pytest.fixture
def looked_at(store):
    """The checks of a home, in which nothing was changed but the server's figures, which count the requests of the doctor too."""

    def state(folder):
        found = folder.glob("pxt_flight/**/*")
        return {path: path.stat().st_mtime_ns for path in found if "metrics" not in path.parts}

    def look(folder):
        before = state(folder)
        found = by_name(home.checks(folder))
        assert state(folder) == before
        return found

    return look


def copied(store, tmp_path):
    """A home with the state of the store's, and no Postgres."""
    folder = tmp_path / "copy"
    shutil.copytree(store / "pxt_flight", folder / "pxt_flight")
    return folder


def test_a_home_with_its_server(server, store, looked_at):
    found = looked_at(store)
    assert {check.status for check in found.values()} == {"ok"}, found
    assert list(found) == ["home", "permissions", "disk", "clock", "server", "Flight", "HTTP", "read tier", "writes", "Postgres"]
    assert server.flight_uri in found["Flight"].message
    assert "started for our server" in found["Postgres"].message
    assert not any(server.key in str(check) for check in found.values())


def test_the_command(server, store, tmp_path):
    """As a user runs it, for a person and for a program."""
    command = [sys.executable, "-P", "-m", "pxt_flight", "doctor", "--home"]
    report = subprocess.run([*command, str(store), "--json"], capture_output=True, text=True, check=False)
    assert report.returncode == 0, report.stdout
    body = json.loads(report.stdout)
    assert body["ok"] is True
    names = [check["name"] for check in body["checks"]]
    assert names[:6] == ["Python", "client packages", "server packages", "Pixeltable", "optional packages", "temporary folder"]
    assert {check["status"] for check in body["checks"]} == {"ok"}, report.stdout
    assert set(body["checks"][0]) == {"name", "status", "message", "hint"}
    assert server.key not in report.stdout


def test_lines_for_a_person_and_the_exit_status(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(environment, "checks", lambda: iter([Check("Python", "ok", "3")]))
    assert run(tmp_path / "missing") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["ok    Python: 3", f"warn  home: {tmp_path / 'missing'} does not exist"]
    assert lines[2].startswith("      Hint: pxt-flight serve --home ")
    assert not (tmp_path / "missing").exists()
    monkeypatch.setattr(environment, "checks", lambda: iter([Check("Python", "fail", "2", "Newer.")]))
    assert run(tmp_path / "missing") == 1
    assert "fail  Python: 2\n      Hint: Newer.\n" in capsys.readouterr().out


# The home


@pytest.mark.parametrize("variable", ["argument", "PXT_FLIGHT_HOME", "PIXELTABLE_HOME", "~/.pixeltable", None])
def test_which_home_is_meant(nowhere, monkeypatch, tmp_path, variable):
    if variable == "~/.pixeltable":
        (nowhere / ".pixeltable").mkdir()
    elif variable not in (None, "argument"):
        monkeypatch.setenv(variable, str(tmp_path))
    expected = {None: None, "~/.pixeltable": nowhere / ".pixeltable"}.get(variable, tmp_path)
    assert home.chosen(tmp_path if variable == "argument" else None) == expected


def test_no_home_at_all(nowhere):
    assert [check.name for check in home.checks(home.chosen(None))] == ["home", "Flight port", "HTTP port"]


def test_a_home_without_a_server(tmp_path, looked_at):
    found = looked_at(tmp_path)
    assert found["server"].status == "warn"
    assert found["server"].hint == f"Start one: pxt-flight serve --home {tmp_path}"
    assert found["Postgres"].message.startswith("the embedded one does not run")


def test_a_home_whose_server_died(server, store, tmp_path, looked_at):
    folder = copied(store, tmp_path)
    state = folder / "pxt_flight" / "server.json"
    body = json.loads(state.read_text()) | {"started": 1.0}
    state.write_text(json.dumps(body))
    assert looked_at(folder)["server"].message == "it died without a word; its server.json is still there"


def test_a_server_that_does_not_answer(server, store, tmp_path, looked_at):
    folder = copied(store, tmp_path)
    state = folder / "pxt_flight" / "server.json"
    body = json.loads(state.read_text())
    state.write_text(json.dumps(body | {"flight_uri": "grpc://127.0.0.1:1", "http_url": "http://127.0.0.1:1", "version": "0.0.9"}))
    found = looked_at(folder)
    assert found["server"] == Check("server", "warn", "version 0.0.9 runs, 0.1.0 is installed", "Start it again after an upgrade.")
    assert (found["Flight"].status, found["HTTP"].status) == ("fail", "fail")
    assert server.key not in str(found)


def test_a_key_that_the_server_does_not_know(server, store, tmp_path, looked_at):
    folder = copied(store, tmp_path)
    state = folder / "pxt_flight" / "server.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"key": "pxt_other"}))
    assert "(key_invalid)" in looked_at(folder)["Flight"].hint


@pytest.mark.parametrize(("because", "status"), [(None, "ok"), ("a part is missing", "warn")])
def test_the_read_tier(store, tmp_path, looked_at, because, status):
    folder = tmp_path / "copy"
    state = folder / "pxt_flight" / "server.json"
    state.parent.mkdir(parents=True)
    told = {"read_tier": "copy" if because is None else "cursor", "read_because": because}
    state.write_text(json.dumps(json.loads((store / "pxt_flight" / "server.json").read_text()) | told))
    check = looked_at(folder)["read tier"]
    assert (check.status, because or "copy") == (status, check.message.removeprefix("cursor: "))


@pytest.mark.parametrize("name", ["pxt_flight", "pxt_flight/owner.key", "pxt_flight/server.json"])
def test_keys_that_others_can_read(server, store, tmp_path, looked_at, name):
    folder = copied(store, tmp_path)
    (folder / name).chmod(0o755)
    check = looked_at(folder)["permissions"]
    assert check.status == "fail"
    assert name.split("/")[-1] in check.message


def test_a_path_with_a_space(tmp_path, looked_at, monkeypatch):
    folder = tmp_path / "my home"
    folder.mkdir()
    assert looked_at(folder)["home"].status == "fail"
    monkeypatch.setenv("PIXELTABLE_DB_CONNECT_STR", "postgresql://elsewhere/db")
    found = looked_at(folder)
    assert (found["home"].status, found["Postgres"].message) == ("ok", "an external one, by Pixeltable's configuration")


@pytest.mark.parametrize(("free", "status"), [(1 << 20, "fail"), (1 << 30, "warn"), (1 << 40, "ok")])
def test_the_disk(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": free})())
    assert home._disk(tmp_path).status == status


def test_a_clock_that_went_back(tmp_path):
    (tmp_path / "pxt_flight").mkdir()
    (tmp_path / "pxt_flight" / "server.json").touch()
    assert home._clock(tmp_path).status == "ok"
    ahead = time.time() + 3600
    os.utime(tmp_path / "pxt_flight" / "server.json", (ahead, ahead))
    assert home._clock(tmp_path).status == "warn"


def test_a_postgres_that_was_left_behind(server, store, monkeypatch):
    monkeypatch.setattr(home, "running", lambda folder: None)
    check = home._postgres(store)
    assert (check.status, check.hint) == ("warn", f"pxt-flight stop --home {store}")
    monkeypatch.setattr(postgres, "_read_marker", lambda folder: None)
    assert "outside of a server" in home._postgres(store).message
    assert running(store) == server


# The machine


def test_packages_out_of_range():
    asked = ["pyarrow>=21", "httpx>=99", "no-such-package>=1", "polars<1,>=0.5; extra == 'server'", "pandas>=2; extra == 'demo'"]
    client, server = environment.packages(asked)
    assert (client.status, server.status) == ("fail", "fail")
    assert client.message.startswith("httpx 0.")
    assert client.message.endswith(" is not >=99; no-such-package is missing")
    assert server.message.endswith(" is not <1")
    assert server.hint == "pip install --upgrade 'pxt-flight[server]'"


@pytest.mark.parametrize(
    ("bounds", "fits"), [(">=0", True), (">=0.28", True), (">=0.28.0", True), ("<0.28", False), (">=0.100", False), ("<0.100,>=0.9", True)]
)
def test_ranges(monkeypatch, bounds, fits):
    monkeypatch.setattr(environment.importlib.metadata, "version", lambda name: "0.28.1.dev3")
    assert (environment._out_of_range("anything", bounds) is None) is fits


def test_ports_that_are_taken(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        monkeypatch.setenv("PXT_FLIGHT_FLIGHT_PORT", str(taken))
        monkeypatch.setenv("PXT_FLIGHT_HTTP_PORT", "0")
        flight, http = environment.ports()
    assert (flight.status, flight.message) == ("warn", f"{taken} is taken")
    assert "--flight-port 0" in flight.hint
    assert (http.status, http.message) == ("ok", "a free one is taken")


def test_a_pixeltable_that_has_moved(monkeypatch):
    monkeypatch.setattr(environment, "_PROBE", 'print(\'["pixeltable.a", "pixeltable.b", "c", "d"]\')')
    (check,) = environment._pixeltable()
    assert check.status == "warn"
    assert "has moved pixeltable.a, pixeltable.b, c ...: reads take the slow tier" in check.message


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "print('no json')", "pass"])
def test_a_pixeltable_that_cannot_be_imported(monkeypatch, program):
    monkeypatch.setattr(environment, "_PROBE", program)
    (check,) = environment._pixeltable()
    assert check.status == "fail"


def test_the_lock_of_another_user(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    assert environment._temporary_folder().message == "nobody holds Pixeltable's lock"
    assert list(tmp_path.iterdir()) == []
    lock = tmp_path / ".lockfile"
    lock.touch()
    assert environment._temporary_folder().status == "ok"
    lock.unlink()
    lock.mkdir()  # what not even root can open as a file stands for what this user cannot
    check = environment._temporary_folder()
    assert check.status == "fail"
    assert "TMPDIR" in check.hint
