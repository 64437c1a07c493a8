"""Which server `connect` means: the arguments, a credentials file, the environment, the user's profile."""

import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pxt_flight.client.address import parse_address
from pxt_flight.errors import PxtFlightError, error

# Jupyter's gateways hand a kernel only those variables of its client that begin with KERNEL_.
_PREFIXES = ("PXT_FLIGHT_", "KERNEL_PXT_FLIGHT_")


@dataclass(frozen=True)
class Found:
    """A server to connect to.

    Attributes:
        uri: `grpc://host:port`.
        key: the key to come in with.
        step: where the two came from, in words.
    """

    uri: str
    key: str = field(repr=False)
    step: str

    def failed(self, fault: PxtFlightError) -> PxtFlightError:
        """The error of connecting to it, which says where the address and the key came from."""
        hint = " ".join(filter(None, (fault.hint, f"Address and key came from {self.step}.")))
        return error(fault.code, fault.message, hint=hint, where=fault.where | {"step": self.step}, request_id=fault.request_id)


def named_server(uri: str | None, key: str | None) -> Found | None:
    """The server that somebody has named; None if nobody has.

    Args:
        uri: the argument of `connect`.
        key: the argument of `connect`; it wins over the key of every other step.

    Raises:
        ConnectError: a credentials file cannot be used.
        UnauthenticatedError: `key_missing`, an address without a key.
        InvalidRequestError: `INVALID_ARGUMENT`, a malformed address.
    """
    if uri is not None:
        return _found(uri, key or os.environ.get("PXT_FLIGHT_KEY"), "the arguments", "Pass key=, or set PXT_FLIGHT_KEY.")
    steps: list[Callable[[], Found | None]] = [
        *(lambda prefix=prefix: _from_variable(f"{prefix}CREDENTIALS", key) for prefix in _PREFIXES),
        *(lambda prefix=prefix: _from_environment(prefix, key) for prefix in _PREFIXES),
        lambda: _from_profile(key),
    ]
    return next((found for step in steps if (found := step())), None)


def profile_path() -> Path:
    """Where the user's profile is, or would be."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming"
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "pxt-flight" / "profile.json"


def _from_variable(variable: str, key: str | None) -> Found | None:
    path = os.environ.get(variable)
    return _from_file(Path(path).expanduser(), f"the file of {variable}", key) if path else None


def _from_environment(prefix: str, key: str | None) -> Found | None:
    uri = os.environ.get(f"{prefix}URI")
    if not uri:
        return None
    step = f"{prefix}URI and {prefix}KEY" if key is None else f"{prefix}URI and the argument key"
    return _found(uri, key or os.environ.get(f"{prefix}KEY"), step, f"{prefix}URI is set; pass key=, or set {prefix}KEY.")


def _from_profile(key: str | None) -> Found | None:
    path = profile_path()
    return _from_file(path, "the user's profile", key) if path.exists() else None


def _from_file(path: Path, step: str, key: str | None) -> Found:
    try:
        with path.open("rb") as file:
            # Of the open file: its name may be given to another one meanwhile.
            mode = os.fstat(file.fileno()).st_mode
            body = json.loads(file.read())
    except OSError:
        raise _unusable(step, "cannot be read", "Name a file that exists and that you may read.") from None
    except ValueError:
        raise _unusable(step, "is not JSON") from None
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _unusable(step, "can be read or written by others", "It holds a key: make it yours alone with chmod 600.")
    if not isinstance(body, dict) or not isinstance(body.get("uri"), str) or not isinstance(body.get("key"), str | None):
        raise _unusable(step, "names no server")
    return _found(body["uri"], key or body.get("key"), step, f'Add "key" to {step}.')


def _found(uri: str, key: str | None, step: str, hint: str) -> Found:
    address = parse_address(uri.strip())
    key = (key or address.key or "").strip()
    if not key:
        raise error("key_missing", "No key was given.", hint=hint, where={"step": step})
    return Found(address.uri, key, step)


def _unusable(step: str, what: str, hint: str = 'It is JSON like {"uri": "grpc://host:8815", "key": "pxt_..."}.') -> PxtFlightError:
    return error("connect_failed", f"{step[0].upper()}{step[1:]} {what}.", hint=hint, where={"step": step})
