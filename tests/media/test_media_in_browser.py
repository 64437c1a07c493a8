"""Links to media in a real browser, on a page of another origin that takes nothing in which did not say that it may be taken in."""

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest
from PIL import Image

CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
CHROMIUM += ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio")

PAGE = """<!doctype html><meta charset="utf-8"><body><script type="module">
const links = %s, seen = {};
const shown = (element, event) => new Promise(resolve => {
  element.addEventListener(event, () => resolve(true));
  element.addEventListener("error", () => resolve(false));
  document.body.append(element);
});
const make = (name, attributes) => Object.assign(document.createElement(name), attributes);
for (const query of ["", "?thumbnail=32"]) {
  const image = make("img", {src: links.img + query});
  seen["img" + query] = [await shown(image, "load"), image.naturalWidth, image.naturalHeight];
}
const video = make("video", {src: links.clip, muted: true, preload: "auto"});
seen.video = [await shown(video, "loadeddata"), video.videoWidth, video.videoHeight, Math.round(video.duration)];
const sought = new Promise(resolve => video.addEventListener("seeked", () => resolve(video.currentTime)));
video.currentTime = 1.5;
seen.seeked = await sought;
const whole = await fetch(links.img), part = await fetch(links.clip, {headers: {range: "bytes=0-9"}});
seen.fetched = [whole.status, (await whole.arrayBuffer()).byteLength, part.status, part.headers.get("content-range")];
const forged = await fetch(links.img.replace("/cells/", "/cells/A"));
seen.forged = [forged.status, (await forged.json()).code];
const canvas = make("canvas", {width: 1, height: 1}), pen = canvas.getContext("2d");
const open = make("img", {src: links.img, crossOrigin: "anonymous"});
await shown(open, "load");
pen.drawImage(open, 0, 0);
seen.pixel = [...pen.getImageData(0, 0, 1, 1).data];
await fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
</script>"""


@pytest.fixture
def browsed(tmp_path) -> Iterator[Callable[..., object]]:
    """Show the page with some links in Chromium; answers what it saw."""
    seen: queue.Queue[object] = queue.Queue()
    pages: list[bytes] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("content-type", "text/html")
            # The strictest a page can be: whatever does not send CORP or CORS stays out.
            self.send_header("cross-origin-embedder-policy", "require-corp")
            self.end_headers()
            self.wfile.write(pages[0] if self.path == "/" else b"")

        def do_POST(self):
            seen.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()

        def browse(links):
            pages.append((PAGE % json.dumps(links)).encode())
            options = (f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0", f"http://127.0.0.1:{site.server_port}/")
            with subprocess.Popen([*CHROMIUM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as chromium:
                try:
                    return seen.get(timeout=60)
                finally:
                    chromium.terminate()

        yield browse
        site.shutdown()
        thread.join()


def test_pictures_and_videos_show_on_a_page_of_another_origin(db, pxt, make_table, browsed, tmp_path):
    Image.new("RGB", (120, 80), (10, 200, 30)).save(tmp_path / "picture.png")
    with av.open(str(tmp_path / "clip.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=Fraction(10))
        stream.width, stream.height = 64, 48
        for shade in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 10, np.uint8), format="rgb24")))
        container.mux(stream.encode())
    files = {"img": tmp_path / "picture.png", "clip": tmp_path / "clip.webm"}
    table = make_table({"img": pxt.Image, "clip": pxt.Video}, [{name: str(path) for name, path in files.items()}])
    (links,) = db.sql(f"select img, clip from {table.get_metadata()['name']}", media="url").to_arrow().to_pylist()
    clip = files["clip"].stat().st_size
    assert browsed(links) == {
        "img": [True, 120, 80],
        "img?thumbnail=32": [True, 32, 21],
        "video": [True, 64, 48, 2],
        "seeked": 1.5,
        "fetched": [200, files["img"].stat().st_size, 206, f"bytes 0-9/{clip}"],
        "forged": [409, "ticket_invalid"],
        "pixel": [10, 200, 30, 255],
    }
