"""The documentation pages in a real browser: they render the API, and load nothing from anywhere else."""

import json
import os
import re
import shutil
import subprocess

import httpx
import pytest

from pxt_flight.http import docs_pages

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage --virtual-time-budget=20000 --dump-dom"
).split()


@pytest.fixture(scope="module")
def site(pxt, server):
    """The server's address, once it has its store."""
    assert httpx.get(f"{server.http_url}/openapi.json", timeout=60).status_code == 200
    return server.http_url


@pytest.fixture(scope="module")
def chromium():
    """The path of Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None and "CI" not in os.environ:
        pytest.skip("no Chromium is installed, so the documentation pages are not tried in a browser")
    assert found is not None
    return found


@pytest.fixture
def browse(chromium, site, tmp_path):
    """Open a page: what it shows in the end, and which addresses it asked for."""

    def browse(path):
        log = tmp_path / "network.json"
        command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", f"{site}{path}"]
        shown = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()
        return shown, asked_by(log.read_text(), site)

    return browse


def asked_by(log, site):
    """The addresses that pages of a site asked for; the browser itself asks for others."""
    parameters = [event.get("params", {}) for event in json.loads(log)["events"]]
    return {one["url"] for one in parameters if "url" in one and (one.get("initiator") == site or one["url"].startswith(site))}


@pytest.mark.parametrize(("path", "operation"), [("/docs", 'id="operations-tag-tables"'), ("/redoc", 'id="operation/list_tables"')])
def test_a_page_shows_the_api_and_asks_nobody_else(browse, site, path, operation):
    shown, asked = browse(path)
    assert "pxt-flight" in re.sub(r"<[^>]+>", " ", shown)
    assert operation in shown
    assert {f"{site}{path}", f"{site}/openapi.json"} <= asked
    assert [url for url in asked if not url.startswith((site + "/", "data:", "blob:"))] == []


def test_a_key_can_be_given(browse):
    shown, _ = browse("/docs")
    assert "Authorize" in shown


def test_an_operation_is_shown_with_its_arguments(browse):
    shown, _ = browse("/docs#/tables/list_tables")
    assert "dir_path" in shown
    assert "/api/v1/tables" in shown


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_runs_files_of_this_server_only(site, path):
    answer = httpx.get(site + path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    files = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert files
    for name in files:
        found = httpx.get(f"{site}/{name}")
        assert found.status_code == 200
        assert found.content == (docs_pages.FOLDER / name.removeprefix("assets/")).read_bytes()
        assert ("immutable" in found.headers["cache-control"]) is ("/" in name.removeprefix("assets/"))


@pytest.mark.parametrize(
    "name", ["nothing.js", "../docs_pages.py", "..%2fdocs_pages.py", "swagger-ui-5.35.0/../../docs_pages.py", "swagger-ui-5.35.0", ""]
)
def test_no_other_file_is_served(site, name):
    answer = httpx.get(f"{site}/assets/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")


def test_licences_stand_beside_what_they_are_of():
    assert {"swagger-ui-5.35.0/LICENSE", "swagger-ui-5.35.0/NOTICE", "redoc-2.5.4/LICENSE"} <= docs_pages.FILES.keys()
    notes = docs_pages.FILES["README.md"].read_text()
    assert all(folder in notes for folder in (docs_pages.SWAGGER, docs_pages.REDOC))
