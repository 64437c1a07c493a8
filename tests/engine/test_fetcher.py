"""Files behind URLs, from a TLS server of this test's own; that it stands at a public address is what the resolver says."""

import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PUBLIC = "93.184.216.34"
BODY = bytes(range(256)) * 5000
PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:93.184.216.34", "2002:7f00:1::", "2001:0:1:2:3:4:5:6", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "name"),
]


class Answers(BaseHTTPRequestHandler):
    """`/a/5` is a redirect to `/a/4`, `/to/x` one to the URL that the test put there."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, str]]
    elsewhere: dict[str, str]
    released: threading.Event

    def do_GET(self):
        type(self).seen.append({"path": self.path, **self.headers})
        kind, _, rest = self.path[1:].partition("?")[0].partition("/")
        getattr(self, f"answer_{kind}")(rest)

    def answer_file(self, _):
        self._send(200, BODY)

    def answer_missing(self, _):
        self._send(404, b"/home/secret")

    def answer_hop(self, left):
        self._send(302, b"", Location=f"/hop/{int(left) - 1}" if int(left) else "/file")

    def answer_to(self, name):
        self._send(301, b"", Location=type(self).elsewhere[name])

    def answer_zipped(self, _):
        self._send(200, b"x", **{"Content-Encoding": "gzip"})

    def answer_chunked(self, _):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    def answer_endless(self, _):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while not type(self).released.is_set():
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def answer_dripping(self, _):
        self.close_connection = True
        try:
            while not type(self).released.wait(0.05):
                self.wfile.write(b"H")
        except OSError:
            pass

    def answer_cut(self, _):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"x")
        self.close_connection = True

    def answer_huge(self, _):
        self._send(200, b"", **{"Content-Length": str(1 << 40)})

    def _send(self, status, body, **headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=files.test -addext subjectAltName=DNS:files.test,DNS:moved.test"
    subprocess.run([*command.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder


@pytest.fixture
def web(certificate):
    handler = type("Handler", (Answers,), {"seen": [], "elsewhere": {}, "released": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # clients that hang up, as they should
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield handler, server.server_port
    handler.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def make_fetcher(web, certificate):
    """A fetcher whose resolver knows some hosts, and whose connections to public addresses lead to the server; `connected` keeps them."""
    from pxt_flight.engine.fetcher import Fetcher

    hosts = {"files.test": [PUBLIC], "moved.test": ["2606:2800:220:1:248:1893:25c8:1946"], "other.test": [PUBLIC]}
    connected = []

    def resolve(host, port):
        if host not in hosts:
            raise socket.gaierror
        return hosts[host]

    def connect(address, timeout):
        connected.append(address)
        return socket.create_connection(("127.0.0.1", web[1]), timeout)

    def make(**options):
        made = Fetcher(**{"resolve": resolve, "connect": connect, "authorities": certificate / "cert.pem"} | options)
        return made, hosts, connected

    return make


def said(found):
    return [value if isinstance(value, bytes) else (value.code, value.message) for value in found]


def test_bodies_by_the_address_that_was_checked(make_fetcher, web):
    fetcher, _, connected = make_fetcher()
    url = "https://files.test:8443/file?q=a b&ü=1#fragment"
    assert fetcher.fetch([url, "https://files.test/chunked", url]) == [BODY, b"abcde", BODY]
    assert sorted(connected) == [(PUBLIC, 443), (PUBLIC, 8443)]
    (seen,) = (request for request in web[0].seen if request["path"].startswith("/file"))
    assert seen == {"path": "/file?q=a%20b&%C3%BC=1", "Host": "files.test:8443", "Accept-Encoding": "identity", "User-Agent": "pxt-flight"}
    assert fetcher.fetch([]) == []


def test_redirects_are_checked_anew(make_fetcher, web):
    fetcher, hosts, connected = make_fetcher()
    hosts["inner.test"] = ["10.0.0.1"]
    handler = web[0]
    handler.elsewhere |= {"moved": "https://moved.test/file", "inner": "https://inner.test/file", "bare": "http://files.test/file"}
    paths = ["hop/4", "hop/5", "to/moved", "to/inner", "to/bare"]
    hidden = "is a URL whose host is not known, or has an address that is not public"
    assert said(fetcher.fetch([f"https://files.test/{path}" for path in paths])) == [
        BODY,
        ("media_unreadable", "is a URL that redirects too often"),
        BODY,
        ("media_unreadable", hidden),
        ("media_unreadable", "is no https URL: send the bytes of the file"),
    ]
    assert {address for address, _ in connected} == {PUBLIC, *hosts["moved.test"]}


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(make_fetcher, address):
    from pxt_flight.engine.fetcher import is_public

    assert not is_public(address)
    fetcher, hosts, connected = make_fetcher()
    hosts["files.test"] = [PUBLIC, address]
    ((_, message),) = said(fetcher.fetch(["https://files.test/file"]))
    assert message == "is a URL whose host is not known, or has an address that is not public"
    assert connected == []
    assert said(fetcher.fetch(["https://unknown.test/"])) == [("media_unreadable", message)]


def test_public_addresses():
    from pxt_flight.engine.fetcher import is_public

    assert all(is_public(address) for address in (PUBLIC, "8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8"))


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://2130706433/", "https://[::1]/", "https://localhost/", "https://0x7f.1/"])
def test_names_of_this_machine(pxt, url):
    from pxt_flight.engine.fetcher import fetch

    ((code, message),) = said(fetch([url]))
    assert (code, message) == ("media_unreadable", "is a URL whose host is not known, or has an address that is not public")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://files.test/missing", "is a URL that answers 404"),
        ("https://files.test/zipped", "is a URL whose server compresses what it was asked to leave as it is"),
        ("https://files.test/cut", "is a URL whose server broke off in the middle"),
        ("https://files.test/huge", "is a URL of more than 2 MiB"),
        ("https://files.test/endless", "is a URL of more than 2 MiB"),
        ("https://other.test/file", "is a URL whose server has no valid certificate"),
        ("https://user:secret@files.test/file", "is a URL with a password: send the bytes of the file"),
        ("https://files.test:99999/", "is no valid URL"),
        ("https://files.test/\r\nX-Injected: 1", "is no valid URL"),
        ("https://", "is no valid URL"),
        ("https://[::1", "is no valid URL"),
        (f"https://files.test/{'x' * 9000}", "is no valid URL"),
        ("HTTPS", "is no https URL: send the bytes of the file"),
        ("ftp://files.test/file", "is no https URL: send the bytes of the file"),
    ],
)
def test_what_is_not_fetched(make_fetcher, url, message):
    fetcher, _, _ = make_fetcher(size=2 << 20)
    assert said(fetcher.fetch([url])) == [("media_unreadable", message)]


def test_a_server_that_drips_is_left_at_the_deadline(make_fetcher):
    fetcher, _, _ = make_fetcher(timeout=1.0)
    started = time.monotonic()
    assert said(fetcher.fetch(["https://files.test/dripping"])) == [("media_unreadable", "is a URL whose server is too slow")]
    assert time.monotonic() - started < 5


def test_a_server_that_is_not_there(make_fetcher):
    def refuse(address, timeout):
        raise ConnectionRefusedError(f"{address} internal")

    fetcher, _, _ = make_fetcher(connect=refuse)
    message = "is a URL whose server cannot be reached, or does not speak HTTP"
    assert said(fetcher.fetch(["https://files.test/file"])) == [("media_unreadable", message)]
