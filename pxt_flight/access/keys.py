"""Keys: made once, shown once, stored as a keyed hash.

A key is `pxt_`, 30 random base62 characters (178 bits) and 6 of a CRC32, so that a mistyped or shortened key is told from a wrong one, and
secret scanners find it. A random key of that size needs no slow hash: HMAC-SHA256 under a pepper is looked up at once.
"""

import hashlib
import hmac
import secrets
import string
import uuid
import zlib
from pathlib import Path
from typing import Any

import psycopg

from pxt_flight.access.principals import Principal
from pxt_flight.errors import error
from pxt_flight.public_api import PERMISSIONS

_PREFIX = "pxt_"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 30, 6

Connection = psycopg.Connection[tuple[Any, ...]]


class KeyRing:
    """The keys of a store, by their hash.

    Args:
        pepper: the secret that hashes are keyed with.
        principals: hash -> who it is, without revoked keys.
    """

    def __init__(self, pepper: bytes, principals: dict[bytes, Principal]) -> None:
        self._pepper = pepper
        self._principals = principals

    def authenticate(self, key: str | None) -> Principal:
        """Who holds a key.

        Raises:
            UnauthenticatedError: `key_missing` or `key_invalid`.
        """
        if not key:
            raise error("key_missing", "No key was sent.", hint="Send the header authorization: Bearer KEY.")
        if not is_well_formed(key):
            raise error("key_invalid", "That is not a key of pxt-flight, or it was cut short.", hint="A key begins with pxt_.")
        principal = self._principals.get(key_hash(self._pepper, key))
        if principal is None:
            raise error("key_invalid", "The key is not known here.", hint="It may be revoked, or of another server.")
        return principal

    def principal(self, key_id: str) -> Principal | None:
        """The principal of a key id (from a ticket), or None if its key is gone."""
        return next((principal for principal in self._principals.values() if principal.key_id == key_id), None)


def make_key() -> str:
    """A new random key."""
    body = "".join(secrets.choice(_BASE62) for _ in range(_RANDOM))
    return _PREFIX + body + _checksum(body)


def is_well_formed(key: str) -> bool:
    """Whether a text can be a key at all: its form and its checksum."""
    body, check = key[len(_PREFIX) : -_CHECK], key[-_CHECK:]
    return key.startswith(_PREFIX) and len(body) == _RANDOM and hmac.compare_digest(_checksum(body).encode(), check.encode())


def key_hash(pepper: bytes, key: str) -> bytes:
    """What is stored of a key: 32 bytes."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def load_secret(connection: Connection, name: str) -> bytes:
    """A secret of the store, 32 random bytes, made when it is first asked for."""
    connection.execute(
        "INSERT INTO pxt_flight.secrets (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", [name, secrets.token_bytes(32)]
    )
    row = connection.execute("SELECT value FROM pxt_flight.secrets WHERE name = %s", [name]).fetchone()
    assert row is not None
    return bytes(row[0])


def load_key_ring(connection: Connection) -> KeyRing:
    """The keys that are not revoked."""
    rows = connection.execute("SELECT key_hash, id, name, permissions, tables FROM pxt_flight.keys WHERE revoked_at IS NULL")
    principals = {
        bytes(hashed): Principal(str(key_id), name, frozenset(permissions), tuple(tables))
        for hashed, key_id, name, permissions, tables in rows
    }
    return KeyRing(load_secret(connection, "pepper"), principals)


def ensure_owner_key(connection: Connection, state_dir: Path) -> str:
    """The key of the local owner, made at the first start and kept in `owner.key` (0600) of our folder.

    Where the file is lost, a new key is made and the lost one is revoked: nobody can hold it any more but a thief.
    """
    path = state_dir / "owner.key"
    pepper = load_secret(connection, "pepper")
    if path.exists():
        key = path.read_text().strip()
        found = connection.execute(
            "SELECT 1 FROM pxt_flight.keys WHERE key_hash = %s AND revoked_at IS NULL", [key_hash(pepper, key)]
        ).fetchone()
        if found:
            return key
    key = make_key()
    name = f"owner of {hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]}"  # one per home, without naming its path
    connection.execute("UPDATE pxt_flight.keys SET revoked_at = now() WHERE name = %s AND revoked_at IS NULL", [name])
    connection.execute(
        "INSERT INTO pxt_flight.keys (id, key_hash, name, permissions, tables) VALUES (%s, %s, %s, %s, %s)",
        [uuid.uuid4(), key_hash(pepper, key), name, sorted(PERMISSIONS), ["*"]],
    )
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(key + "\n")
    return key


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits
