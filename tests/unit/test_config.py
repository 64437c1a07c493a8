"""Settings and the home."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from pydantic import ValidationError

from pxt_flight.config import Settings, prepare_home
from pxt_flight.errors import ConnectError

PORTS = st.integers(0, 65535)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PXT_FLIGHT_")]:
        monkeypatch.delenv(name)


def test_there_is_no_default_home():
    with pytest.raises(ValidationError, match="home"):
        Settings()


def test_defaults(tmp_path):
    settings = Settings(home=tmp_path)
    assert (settings.host, settings.flight_port, settings.http_port, settings.public_url) == ("127.0.0.1", 8815, 8000, None)
    assert settings.state_dir == tmp_path / "pxt_flight"


@budget(max_examples=50, deadline=None)
@given(
    home=st.sampled_from(["/a", "/with space/é", "relative/b"]),
    flight_port=PORTS,
    http_port=PORTS,
    public_url=st.none() | st.just("https://data.example.org/x"),
    engine_threads=st.integers(1, 6),
    query_timeout=st.floats(0.001, 1e6),
    drain_deadline=st.floats(0, 1e6),
    cors_origins=st.sampled_from([(), ("https://a.example",), ("https://a.example", "http://localhost:3000")]),
    log_format=st.sampled_from(["console", "json"]),
)
def test_settings_travel_through_the_environment(**values):
    settings = Settings(**values)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.environment().items():
            patch.setenv(name, value)
        assert Settings() == settings


@pytest.mark.parametrize("given", ["*", "https://a.example/", "a.example", "https://*.example", "null", "https://a.example,*"])
def test_an_origin_is_exact(given):
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(home="/a", cors_origins=given)


def test_an_argument_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("PXT_FLIGHT_HOME", "/from/environment")
    monkeypatch.setenv("PXT_FLIGHT_HTTP_PORT", "1")
    assert Settings(home="/given").home == Path("/given")
    assert Settings(http_port=2).http_port == 2
    assert Settings().http_port == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flight_port", -1),
        ("flight_port", 65536),
        ("http_port", "many"),
        ("engine_threads", 0),
        ("engine_threads", 7),
        ("query_timeout", 0),
        ("drain_deadline", -1),
    ],
)
def test_values_out_of_range(tmp_path, name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(home=tmp_path, **{name: value})


@pytest.mark.parametrize(("given", "kept"), [("https://x.org/", "https://x.org"), ("http://[::1]:80/a/b//", "http://[::1]:80/a/b")])
def test_a_public_url_has_no_slash_at_its_end(tmp_path, given, kept):
    assert Settings(home=tmp_path, public_url=given).public_url == kept


@pytest.mark.parametrize(
    "url", ["", "x.org", "ftp://x.org", "https://", "javascript:alert(1)", 'https://x"onload=', "https://x?q", "https://x y", "https://x#y"]
)
def test_a_public_url_that_is_none(tmp_path, url):
    with pytest.raises(ValidationError, match="public_url"):
        Settings(home=tmp_path, public_url=url)


def test_settings_do_not_change(tmp_path):
    with pytest.raises(ValidationError, match="frozen"):
        Settings(home=tmp_path).home = Path("/other")


def test_prepare_home_makes_both_folders(tmp_path):
    home = prepare_home(tmp_path / "new" / "home")
    assert home == tmp_path / "new" / "home"
    assert stat.S_IMODE((home / "pxt_flight").stat().st_mode) == 0o700


def test_prepare_home_closes_an_open_folder(tmp_path):
    (tmp_path / "pxt_flight").mkdir(mode=0o755)
    (tmp_path / "pxt_flight").chmod(0o755)
    prepare_home(tmp_path)
    assert stat.S_IMODE((tmp_path / "pxt_flight").stat().st_mode) == 0o700


def test_prepare_home_answers_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert prepare_home(Path("here")) == tmp_path / "here"
    assert prepare_home(Path("~/there")) == tmp_path / "there"


@pytest.mark.parametrize("parts", [("file",), ("file", "below")])
def test_a_home_that_cannot_be(tmp_path, parts):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConnectError) as caught:
        prepare_home(tmp_path.joinpath(*parts))
    assert caught.value.code == "home_unusable"
    assert str(tmp_path) not in str(caught.value)
    assert "--home" in caught.value.hint
