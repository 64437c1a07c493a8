"""Pixeltable tables, usable from anywhere at Arrow speed.

import pxt_flight as pf

db = pf.connect(home=".demo")
db.sql("select title, rating from photos where rating > $1", [4]).to_polars()
"""

import importlib
from typing import TYPE_CHECKING, Any

from pxt_flight.errors import (
    ConflictError,
    ConnectError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    PxtFlightError,
    RateLimitedError,
    ServerError,
    StaleTicketError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from pxt_flight.client.aio import AsyncDatabase, aconnect
    from pxt_flight.client.database import Database, connect, scan_pxt
    from pxt_flight.client.explanation import Explanation
    from pxt_flight.client.result import Result
    from pxt_flight.client.table import Table
    from pxt_flight.client.written import Written

__version__ = "0.1.0"

__all__ = [
    "AsyncDatabase",
    "ConflictError",
    "ConnectError",
    "Database",
    "Explanation",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProviderError",
    "PxtFlightError",
    "RateLimitedError",
    "Result",
    "ServerError",
    "StaleTicketError",
    "Table",
    "UnauthenticatedError",
    "UnavailableError",
    "Written",
    "__version__",
    "aconnect",
    "connect",
    "scan_pxt",
]

# The client brings pyarrow, 40 MB that the server's supervisor has no use for: imported when it is asked for.
_CLIENT = {
    "AsyncDatabase": "pxt_flight.client.aio",
    "Database": "pxt_flight.client.database",
    "Explanation": "pxt_flight.client.explanation",
    "Result": "pxt_flight.client.result",
    "Table": "pxt_flight.client.table",
    "Written": "pxt_flight.client.written",
    "aconnect": "pxt_flight.client.aio",
    "connect": "pxt_flight.client.database",
    "scan_pxt": "pxt_flight.client.database",
}


def __getattr__(name: str) -> Any:
    if name not in _CLIENT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_CLIENT[name]), name)
