"""The display in a real browser: its pictures load, it stays in its place, and nothing of what the cells hold runs."""

import io
import json
import os
import re
import shutil
import subprocess
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest
from PIL import Image

from pxt_flight.client.display import preview_html
from pxt_flight.client.preview import Preview

HOSTILE = [
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 1">',
    "</div></table></style><script>window.ran = 1</script>",
    "javascript:window.ran=1",
    "<svg onload=window.ran=1>",
    "$x$ and $y$",
]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --window-size=900,900"
).split()
# What the page says of itself, once everything on it has loaded.
REPORT = """<pre id="report"></pre><script>window.onload = () => {
  const box = document.querySelector(".pxt-scroll"), rows = [...document.querySelectorAll("tbody tr")];
  document.getElementById("report").textContent = JSON.stringify({
    widths: [...document.images].map(image => image.naturalWidth),
    heights: [...new Set(rows.map(row => Math.round(row.getBoundingClientRect().height)))],
    ran: window.ran ?? null,
    scrolls: box.scrollWidth > box.clientWidth, overflows: document.documentElement.scrollWidth > window.innerWidth,
    aligned: getComputedStyle(document.querySelector("td.pxt-number")).textAlign,
  })}</script>"""


@pytest.fixture
def browser():
    """The path of Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None and "CI" not in os.environ:
        pytest.skip("no Chromium is installed, so the display is not tried in a browser")
    assert found is not None
    return found


@pytest.fixture
def opened(browser, tmp_path):
    """Open some HTML as a page, from a server of its own; answers what it says of itself, and what it fetched."""
    pages, fetched = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # the name that the base class looks for
            fetched.append(self.path)
            self.send_response(200 if self.path in pages else 404)
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def log_message(self, *_):
            """Not on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()

        def see(html):
            pages["/page"] = f'<!doctype html><meta charset=utf-8><link rel=icon href="data:,">{html}{REPORT}'.encode()
            profile = f"--user-data-dir={tmp_path / 'profile'}"
            command = [browser, *FLAGS, profile, "--dump-dom", f"http://127.0.0.1:{server.server_port}/page"]
            run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            report = re.search(r'<pre id="report">(.*?)</pre>', run.stdout).group(1)
            return json.loads(unescape(report)) | {"fetched": fetched}

        yield see
        server.shutdown()


def jpeg(width, height):
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def test_pictures_load_and_nothing_runs(opened):
    count = len(HOSTILE)
    media = {"pxt:type": "Image", "pxt:media": "thumbnail:96"}
    fields = [pa.field(HOSTILE[0], pa.int64()), pa.field(HOSTILE[2], pa.utf8()), pa.field("photo", pa.binary(), metadata=media)]
    columns = [pa.array(range(count)), pa.array(HOSTILE), pa.array([jpeg(96, 64), jpeg(30, 96), None, *[jpeg(96, 96)] * (count - 3)])]
    seen = opened(preview_html(Preview(pa.table(columns, pa.schema(fields)), name=HOSTILE[1])))
    assert seen["widths"] == [96, 30, 96, 96, 96]
    assert seen["ran"] is None
    assert seen["fetched"] == ["/page"]
    assert len(seen["heights"]) == 1  # of any picture, or none
    assert seen["aligned"] == "right"
    assert not seen["overflows"]


def test_a_wide_table_scrolls_by_itself(opened):
    rows = pa.table([pa.array([1, 2])] * 30, names=[f"a_rather_long_name_{i}" for i in range(30)])
    seen = opened(preview_html(Preview(rows)))
    assert seen["scrolls"]
    assert not seen["overflows"]
    assert len(seen["heights"]) == 1


def test_the_report_notices_a_script(opened):
    """What the tests above rely on."""
    hostile = '<table><tr><td class="pxt-number">1</table><div class="pxt-scroll"></div><img src="nowhere.png" onerror="window.ran = 1">'
    seen = opened(f"{hostile}<script>window.ran = 1</script>")
    assert (seen["ran"], seen["widths"]) == (1, [0])
    assert seen["fetched"] == ["/page", "/nowhere.png"]
