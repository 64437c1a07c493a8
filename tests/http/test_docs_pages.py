"""The documentation pages in a real browser: they render the API, and load nothing from anywhere else."""

import json
import os
import re
import shutil

import httpx
import pytest
from chromium import Page

from pxt_flight.http import docs_pages


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
def page(chromium, tmp_path):
    """A page in a browser."""
    page = Page(chromium, tmp_path / "profile")
    yield page
    page.close()


@pytest.mark.parametrize(("path", "operation"), [("/docs", "operations-tag-tables"), ("/redoc", "operation/list_tables")])
def test_a_page_shows_the_api_and_asks_nobody_else(page, site, path, operation):
    page.open(site + path)
    assert page.seen(f"document.getElementById('{operation}')?.innerText.length")
    assert "pxt-flight" in page.seen("document.body.innerText")
    if path == "/redoc":  # which takes the empty image away that its vendor's logo has become
        assert page.seen("document.querySelector('a[href=\"https://redocly.com/redoc/\"]')?.innerHTML === 'API docs by Redocly'")
    assert {f"{site}{path}", f"{site}/openapi.json"} <= page.asked
    assert [url for url in page.asked if not url.startswith((site + "/", "data:", "blob:"))] == []
    assert page.complaints == []


OPERATION = "#operations-tables-list_tables"
STATUS = f"document.querySelector('{OPERATION} .live-responses-table tbody .response-col_status')?.innerText.trim()"


def test_a_key_that_is_given_is_sent(page, site, server):
    page.open(f"{site}/docs#/tables/list_tables")
    page.click(f"{OPERATION} .try-out__btn")
    assert page.seen(f"document.querySelector('{OPERATION} tr[data-param-name=dir_path]')?.innerText.length")
    page.click(f"{OPERATION} .execute")
    assert page.seen(STATUS).startswith("401")
    page.click(".auth-wrapper .authorize")
    page.write(".auth-container input", server.key)
    page.click(".auth-container .authorize")
    page.click(".auth-container .btn-done")
    page.click(f"{OPERATION} .execute")
    assert page.seen(f"!{STATUS}.startsWith('401') && {STATUS}").startswith("200")
    shown = page.seen(f"document.querySelector('{OPERATION} .live-responses-table .highlight-code code')?.innerText")
    assert json.loads(shown) == httpx.get(f"{site}/api/v1/tables", headers={"x-api-key": server.key}, timeout=60).json()


def test_each_argument_in_a_query_has_a_field_to_write_into(page, site):
    page.open(f"{site}/docs#/rows/table_rows")
    arguments = "document.querySelectorAll('#operations-rows-table_rows tr[data-param-name]')"
    assert page.seen(f"{arguments}.length") > 15
    assert (
        page.seen(
            f"[...{arguments}].filter(one => one.querySelector('input[type=file]')).map(one => one.dataset.paramName).join() || 'none'"
        )
        == "none"
    )


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
    "name",
    [
        "nothing.js",
        "../docs_pages.py",
        "..%2fdocs_pages.py",
        "vendor/swagger-ui-5.35.0/../../../docs_pages.py",
        "vendor/swagger-ui-5.35.0",
        "",
    ],
)
def test_no_other_file_is_served(site, name):
    answer = httpx.get(f"{site}/assets/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")


def test_licences_stand_beside_what_they_are_of():
    assert {"vendor/swagger-ui-5.35.0/LICENSE", "vendor/swagger-ui-5.35.0/NOTICE", "vendor/redoc-2.5.4/LICENSE"} <= docs_pages.FILES.keys()
    notes = docs_pages.FILES["README.md"].read_text()
    assert all(folder in notes for folder in (docs_pages.SWAGGER, docs_pages.REDOC))
