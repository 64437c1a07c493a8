"""The address of a server, and the key that may ride in it as `pxt://KEY@host:port`."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pxt_flight.errors import error

DEFAULT_PORT = 8815
_SCHEMES = {"pxt": "grpc", "pxt+tls": "grpc+tls"}
_HINT = "Write pxt://KEY@host:port, with every special character of the key percent-encoded."


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the key that came with the address.

    Attributes:
        uri: `grpc://host:port` or `grpc+tls://host:port`, as Arrow Flight takes it; never with a key in it.
        key: the key, or None.
    """

    uri: str
    key: str | None = field(repr=False)


def parse_address(text: str) -> Address:
    """Read `pxt://KEY@host:port`, or an address of Arrow Flight, which stays as it is.

    Args:
        text: `pxt://KEY@host:port` or `pxt+tls://...`; the port is 8815 by default. The key is percent-decoded and may stand in the
            place of the password, after any user. `pxt://...?tls=true` means `pxt+tls://`, for whoever makes a module's name of the
            scheme, as polars does.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`; the text is never quoted, for there may be a key in it.

    >>> parse_address("pxt://pxt_a%2Fb@[::1]:8815").uri
    'grpc://[::1]:8815'
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # brackets that do not close, a port that is no number: its text quotes the address
        raise error("INVALID_ARGUMENT", "The address of the server is malformed.", hint=_HINT) from None
    if parts.scheme.lower() not in _SCHEMES:
        if "@" in text:
            raise error("INVALID_ARGUMENT", "A key in the address needs the scheme pxt.", hint=_HINT)
        return Address(text, None)
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise error("INVALID_ARGUMENT", "The address of the server is malformed.", hint=_HINT)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    key = unquote(parts.password or parts.username or "")
    return Address(f"{_flight_scheme(parts)}://{host}:{port or DEFAULT_PORT}", key or None)


def _flight_scheme(parts: SplitResult) -> str:
    options = parse_qs(parts.query, keep_blank_values=True)
    tls = options.pop("tls", ["false"])[-1].lower()
    if options or tls not in ("true", "false"):
        raise error("INVALID_ARGUMENT", "The address has an option that is not known.", hint="There is one: tls=true.")
    return _SCHEMES["pxt+tls" if tls == "true" else parts.scheme.lower()]
