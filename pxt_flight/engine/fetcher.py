"""Files behind `https` URLs that a client names. The server stands where the client may not: it connects to public addresses only."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from pxt_flight.errors import PxtFlightError, error

_AT_ONCE = 8
_REDIRECTS = 5
_MAX_URL = 8192
_MOVED = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 18
# RFC 6052: IPv4 behind a translator, which would carry a private address to where it leads.
_TRANSLATED = IPv6Network("64:ff9b::/96")


class _UnfetchedError(Exception):
    """Why there is no file; its text goes to the client."""


class _Socket(ssl.SSLSocket):
    """A connection that ends at a deadline, however slowly its bytes come."""

    deadline = 0.0

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(*arguments, **named)


@cache
def _context(authorities: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities)
    context.sslsocket_class = _Socket
    return context


def _resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Fetcher:
    """Fetches files.

    Attributes:
        size: bytes of the largest.
        connect_timeout: seconds until a connection stands.
        timeout: seconds for all of one file, redirects included.
        resolve: the addresses of a host and port.
        connect: opens a connection to an address and port within so many seconds.
        authorities: a file of the certificates that are trusted; None for the system's.
    """

    size: int = 64 << 20
    connect_timeout: float = 10.0
    timeout: float = 60.0
    resolve: Callable[[str, int], list[str]] = _resolve
    connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection
    authorities: Path | None = None

    def fetch(self, urls: Sequence[str]) -> list[bytes | PxtFlightError]:
        """The bodies behind URLs, each fetched once.

        Args:
            urls: `https` ones.

        Returns:
            For each its body, or `INVALID_ARGUMENT` or `media_unreadable`, whose text ends a sentence that names the column.
        """
        distinct = list(dict.fromkeys(urls))
        if not distinct:
            return []
        context = _context(self.authorities)
        with ThreadPoolExecutor(min(_AT_ONCE, len(distinct)), thread_name_prefix="fetch") as threads:
            found = dict(zip(distinct, threads.map(lambda url: self._fetch(url, context), distinct), strict=True))
        return [found[url] for url in urls]

    def _fetch(self, url: str, context: ssl.SSLContext) -> bytes | PxtFlightError:
        deadline = time.monotonic() + self.timeout
        try:
            for _ in range(_REDIRECTS + 1):
                body, url = self._answer(_checked(url), context, deadline)
                if body is not None:
                    return body
            raise _UnfetchedError("is a URL that redirects too often")
        except _UnfetchedError as fault:
            return error("media_unreadable", str(fault))
        except (TimeoutError, ssl.SSLError) as fault:
            slow = isinstance(fault, TimeoutError)
            return error("media_unreadable", f"is a URL whose server {'is too slow' if slow else 'has no valid certificate'}")
        except (OSError, http.client.HTTPException, ValueError):
            return error("media_unreadable", "is a URL whose server cannot be reached, or does not speak HTTP")

    def _answer(self, url: SplitResult, context: ssl.SSLContext, deadline: float) -> tuple[bytes | None, str]:
        """The body of a URL, or where it was moved to."""
        host, port = str(url.hostname), url.port or 443
        connection = http.client.HTTPConnection(host, port)
        # Set before the request, so that http.client neither resolves the name again nor connects by itself.
        connection.sock = self._open(host, port, context, deadline)
        try:
            target = quote(url.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{quote(url.query, safe=_IN_QUERY)}" if url.query else "")
            connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "pxt-flight"})
            answer = connection.getresponse()
            if answer.status in _MOVED and (place := answer.getheader("Location")):
                return None, urljoin(url.geturl(), place)
            if answer.status != 200:
                raise _UnfetchedError(f"is a URL that answers {answer.status}")
            if answer.getheader("Content-Encoding", "identity") != "identity":
                raise _UnfetchedError("is a URL whose server compresses what it was asked to leave as it is")
            return self._body(answer), ""
        finally:
            connection.close()

    def _open(self, host: str, port: int, context: ssl.SSLContext, deadline: float) -> _Socket:
        try:
            addresses = self.resolve(host, port)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses or not all(is_public(address) for address in addresses):
            # One text for both, or it would tell which names the server's own network knows.
            raise _UnfetchedError("is a URL whose host is not known, or has an address that is not public")
        bare = self.connect((addresses[0], port), min(self.connect_timeout, _left(deadline)))
        try:
            bare.settimeout(min(self.connect_timeout, _left(deadline)))
            secured = context.wrap_socket(bare, server_hostname=host)
        except BaseException:
            bare.close()
            raise
        assert isinstance(secured, _Socket)
        secured.deadline = deadline
        secured.settimeout(_left(deadline))
        return secured

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        parts: list[bytes] = []
        size, received = answer.length or 0, 0
        while size <= self.size:
            part = answer.read1(_CHUNK)
            if not part:
                if answer.length:
                    raise _UnfetchedError("is a URL whose server broke off in the middle")
                return b"".join(parts)
            parts.append(part)
            received += len(part)
            size = max(size, received)
        raise _UnfetchedError(f"is a URL of more than {self.size >> 20} MiB")


_IN_QUERY = "/?%:@!$&'()*+,;=~-._"


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _checked(url: str) -> SplitResult:
    if not url.startswith("https://"):
        raise _UnfetchedError("is no https URL: send the bytes of the file")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _UnfetchedError("is no valid URL") from None
    if not parts.hostname or len(url) > _MAX_URL or port == 0 or not url.isprintable():
        raise _UnfetchedError("is no valid URL")
    if parts.username is not None or parts.password is not None:
        raise _UnfetchedError("is a URL with a password: send the bytes of the file")
    return parts


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, also behind what carries IPv4 in IPv6."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return is_public(str(IPv4Address(int(address) & 0xFFFFFFFF)))
        if address.ipv4_mapped or address.sixtofour or address.teredo or address.is_site_local or address.scope_id:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified or address.is_private)


_FETCHER = Fetcher()


def fetch(urls: Sequence[str]) -> list[bytes | PxtFlightError]:
    """See `Fetcher.fetch`, from the public internet."""
    return _FETCHER.fetch(urls)
