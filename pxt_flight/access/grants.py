"""The one signer: tickets and statement handles carry all they mean, and nobody else can make or change one."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

from pxt_flight.errors import error

TICKET_LIFETIME = 3600  # seconds


class Signer:
    """Signs small JSON objects with HMAC-SHA256.

    Args:
        secret: 32 random bytes of the store, so that replicas and restarts read each other's grants.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: str, claims: dict[str, Any], *, lifetime: float = TICKET_LIFETIME) -> bytes:
        """A grant: printable bytes without padding or spaces.

        Args:
            purpose: what it may be used for; a grant is never taken for another purpose.
            claims: what it says; JSON.
            lifetime: seconds until it expires.
        """
        body = json.dumps(claims | {"exp": time.time() + lifetime}, separators=(",", ":")).encode()
        return b".".join((purpose.encode(), _encode(body), _encode(self._mac(purpose, body))))

    def verify(self, purpose: str, grant: bytes) -> dict[str, Any]:
        """What a grant says.

        Raises:
            StaleTicketError: `ticket_invalid` for a forged, changed or foreign grant, `ticket_expired` for an old one.
        """
        try:
            named, body, mac = grant.split(b".")
            body, mac = _decode(body), _decode(mac)
        except (ValueError, binascii.Error):
            named, body, mac = b"", b"", b""
        if named != purpose.encode() or not hmac.compare_digest(self._mac(purpose, body), mac):
            raise error("ticket_invalid", "The ticket was not made by this server, or was changed.", hint="Run the query again.")
        claims: dict[str, Any] = json.loads(body)
        if claims.pop("exp") < time.time():
            raise error("ticket_expired", "The ticket has expired.", hint="Run the query again.")
        return claims

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"." + body, hashlib.sha256)


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:
        raise ValueError("not the one way to write it")  # spare bits of the last character: a grant has one form only
    return data
