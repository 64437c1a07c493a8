"""What the server signs: tickets, statement handles and media grants carry all they mean, and nobody else can make or change one."""

import base64
import binascii
import hashlib
import hmac
import json
import struct
import time
from typing import Any, NamedTuple
from uuid import UUID

from pxt_flight.errors import error

TICKET_LIFETIME = 3600  # seconds
MEDIA_LIFETIME = 900  # seconds
# A page that asks again within this time gets the same URLs, whose pictures its browser still has; seconds.
_MEDIA_STEP = 60
# Form, key, table, column, version of the table, expiry in seconds since the epoch. The second form means softly deleted rows, too.
_MEDIA = struct.Struct(">B16s16sIqI")
_MEDIA_FORMS = (1, 2)
_MEDIA_PURPOSE = "media"
_MEDIA_MAC = 16  # bytes of the 32: RFC 2104, section 5, allows half; a grant stands in every URL of a result
_NO_VERSION = -1


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
        return b".".join((purpose.encode(), _encode(body), _encode(_mac(self._secret, purpose, body))))

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
        if named != purpose.encode() or not hmac.compare_digest(_mac(self._secret, purpose, body), mac):
            raise error("ticket_invalid", "The ticket was not made by this server, or was changed.", hint="Run the query again.")
        claims: dict[str, Any] = json.loads(body)
        if claims.pop("exp") < time.time():
            raise error("ticket_expired", "The ticket has expired.", hint="Run the query again.")
        return claims


class MediaGrant(NamedTuple):
    """Leave to read the cells of one media column, as of one version of its table.

    Attributes:
        key_id: of the key that asked; it must still exist when the grant is used.
        table_id: of the table, as hex.
        version: of the table; None where it has none.
        column_id: a number of the column, below 2**32.
        include_deleted: whether cells of rows that are deleted softly are meant, too.
        expires: seconds since the epoch.
    """

    key_id: str
    table_id: str
    version: int | None
    column_id: int
    include_deleted: bool
    expires: int


class MediaGrants:
    """Writes and reads media grants: 87 characters of a URL, not the 250 of a signed JSON object.

    Args:
        secret: that of the store's signer; no grant of one is ever one of the other.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mint(
        self,
        key_id: str,
        table_id: str,
        version: int | None,
        column_id: int,
        include_deleted: bool = False,
        *,
        lifetime: int = MEDIA_LIFETIME,
    ) -> str:
        """A grant as it stands in URLs.

        Args:
            key_id: of the key that asks.
            table_id: of the table, as hex.
            version: of the table; None where it has none.
            column_id: a number of the column, below 2**32.
            include_deleted: whether cells of rows that are deleted softly are meant, too.
            lifetime: seconds until it expires at the latest; up to a minute less.
        """
        expires = int(time.time() + lifetime) // _MEDIA_STEP * _MEDIA_STEP
        signed_version = _NO_VERSION if version is None else version
        body = _MEDIA.pack(_MEDIA_FORMS[include_deleted], UUID(key_id).bytes, UUID(table_id).bytes, column_id, signed_version, expires)
        return _encode(body + self._mac(body)).decode()

    def read(self, grant: str) -> MediaGrant:
        """What a grant says.

        Raises:
            StaleTicketError: `ticket_invalid` for a forged, changed or foreign grant, `ticket_expired` for an old one.
        """
        try:
            signed = _decode(grant.encode())
        except ValueError:
            signed = b""
        body, mac = signed[: _MEDIA.size], signed[_MEDIA.size :]
        if not hmac.compare_digest(self._mac(body), mac) or body[0] not in _MEDIA_FORMS:
            raise error("ticket_invalid", "The link was not made by this server, or was changed.", hint="Run the query again.")
        form, key, table, column_id, signed_version, expires = _MEDIA.unpack(body)
        if expires < time.time():
            raise error("ticket_expired", "The link has expired.", hint="Run the query again: a link to media is good for 15 minutes.")
        version = None if signed_version == _NO_VERSION else signed_version
        include_deleted = bool(_MEDIA_FORMS.index(form))
        return MediaGrant(str(UUID(bytes=key)), UUID(bytes=table).hex, version, column_id, include_deleted, expires)

    def _mac(self, body: bytes) -> bytes:
        return _mac(self._secret, _MEDIA_PURPOSE, body)[:_MEDIA_MAC]


def _mac(secret: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode() + b"." + body, hashlib.sha256)


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:
        raise ValueError("not the one way to write it")  # spare bits of the last character: a grant has one form only
    return data
