"""DB-API 2.0: what `adbc_driver_flightsql.dbapi` offers, and a `connect` that takes the key in the address."""

from typing import Any

from adbc_driver_flightsql.dbapi import *  # noqa: F403  # the module of a driver has all names of DB-API
from adbc_driver_flightsql.dbapi import Connection, __all__  # noqa: F401

from pxt_flight.client.adbc import open_adbc
from pxt_flight.client.address import parse_address
from pxt_flight.errors import error


def connect(uri: str, db_kwargs: dict[str, str] | None = None, conn_kwargs: dict[str, str] | None = None, **kwargs: Any) -> Connection:
    """Open a connection to a pxt-flight server.

    Args:
        uri: `pxt://KEY@host:port`, or `pxt+tls://KEY@host:port`; the key is percent-decoded.
        db_kwargs: options of the Flight SQL driver.
        conn_kwargs: options of the connection.
        kwargs: as in `adbc_driver_manager.dbapi.Connection`; `autocommit` is on by default.

    Raises:
        InvalidRequestError: the address is malformed; the address is not quoted.
        UnauthenticatedError: `key_missing`.
    """
    address = parse_address(uri)
    if address.key is None:
        raise error("key_missing", "The address holds no key.", hint="Write pxt://KEY@host:port.")
    return open_adbc(address.uri, address.key, db_kwargs, conn_kwargs=conn_kwargs, **kwargs)
