"""What a client is told beside an answer: that the operation is deprecated."""

import json

import pyarrow.flight as fl

from pxt_flight.public_api import Operation

DEPRECATED = "x-pxt-deprecated"
"""A header of the answer: JSON with `operation`, `release`, `replacement` (a qualified name, or null) and `sunset` (a day, or null)."""


def announce(context: fl.ServerCallContext, operation: Operation) -> None:
    """Say with the answer of a call that its operation is deprecated, where it is."""
    if operation.deprecated is None:
        return
    sunset = operation.deprecated.sunset
    notice = {
        "operation": operation.action,
        "release": operation.deprecated.release,
        "replacement": operation.replacement,
        "sunset": sunset and sunset.isoformat(),
    }
    context.add_header(DEPRECATED, json.dumps(notice))
