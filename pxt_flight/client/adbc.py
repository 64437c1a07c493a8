"""ADBC connections (DB-API) to a server, with everything set that its clients need."""

from collections.abc import Mapping
from typing import Any

from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql import dbapi as flightsql

# Of one message. The server slices at 2 MiB; a single larger value (a photograph as bytes) is one message all the same.
MAX_MESSAGE_BYTES = 1 << 30


def open_adbc(uri: str, key: str, db_kwargs: Mapping[str, str] | None = None, **kwargs: Any) -> flightsql.Connection:
    """Open an ADBC connection.

    Args:
        uri: `grpc://host:port` or `grpc+tls://host:port`.
        key: the key to come in with.
        db_kwargs: options of the driver, over those that are set here.
        kwargs: as `adbc_driver_flightsql.dbapi.connect` takes them; `autocommit` is on by default.
    """
    options = {
        DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {key}",
        # A session (its current schema) is named by a cookie, which the driver drops by default.
        DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true",
        DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(MAX_MESSAGE_BYTES),
    }
    return flightsql.connect(uri, db_kwargs=options | dict(db_kwargs or {}), **({"autocommit": True} | kwargs))
