"""Pixeltable itself in a process of its own: makes a store, and keys that may less than the owner's; prints the keys.

Before the server starts, because it reads the keys once.
"""

import json
import sys
import uuid

import pixeltable as pxt

from pxt_flight.access.keys import key_hash, load_secret, make_key
from pxt_flight.access.schema import open_schema
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.public_api import PERMISSIONS


def main() -> None:
    pxt.init()
    granted = {f"not {permission}": sorted(PERMISSIONS - {permission}) for permission in PERMISSIONS} | {"others": sorted(PERMISSIONS)}
    keys = {name: make_key() for name in granted}
    with open_schema(libpq_uri()) as connection:
        pepper = load_secret(connection, "pepper")
        for name, permissions in granted.items():
            tables = ["other", "other/*"] if name == "others" else ["*"]
            connection.execute(
                "INSERT INTO pxt_flight.keys (id, key_hash, name, permissions, tables) VALUES (%s, %s, %s, %s, %s)",
                [uuid.uuid4(), key_hash(pepper, keys[name]), name, permissions, tables],
            )
    sys.stdout.write(json.dumps(keys) + "\n")


if __name__ == "__main__":
    main()
