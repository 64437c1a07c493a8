"""How a wire runs an operation of the registry."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pxt_flight.access.limits import Allowance
from pxt_flight.operations.call import Call
from pxt_flight.public_api import Operation

_MODULES = (
    "capabilities",
    "catalogue",
    "changes",
    "columns",
    "deletion",
    "directories",
    "exports",
    "health",
    "indexes",
    "queries",
    "row",
    "rows",
    "soft_delete",
    "statements",
    "tables",
    "views",
    "writes",
)


def invoke(operation: Operation, call: Call, arguments: Mapping[str, Any], **context: Any) -> Any:
    """Run an operation once, for one request.

    Args:
        operation: the operation.
        call: who asks.
        arguments: those of `Operation.request_model`, checked.
        context: what else the wire fills in: `rows`.

    Raises:
        RateLimitedError: `rate_limited`, the key calls it too often.
        PxtFlightError: what the operation raises.
    """
    admit(operation, call)
    return operation.function(call, *context.values(), **arguments)


def admit(operation: Operation, call: Call) -> None:
    """Count a call against the limit of its operation, where it has one. A wire that runs an operation without `invoke` asks this first.

    Raises:
        RateLimitedError: `rate_limited`.
    """
    if operation.rate_limit is not None:
        call.limits.take(_bucket(operation, call), operation.rate_limit)


def allowance(operation: Operation, call: Call) -> Allowance | None:
    """What is left to the caller of the limit of an operation; None where it has none."""
    return None if operation.rate_limit is None else call.limits.left(_bucket(operation, call), operation.rate_limit)


def flight_calls(operation: Operation) -> dict[str, str]:
    """The calls of Flight that reach an operation, and its name there.

    Returns:
        `action` for DoAction, with its arguments, and rows if it takes any, as JSON; `put` for DoPut, whose command is its name with its
        arguments, and which brings rows as record batches; `ticket` for DoGet, where its arguments are the ticket, without a name.
    """
    if operation.answers_rows:
        return {"ticket": operation.action}
    return dict.fromkeys(("action", "put") if operation.takes_rows else ("action",), operation.action)


def _bucket(operation: Operation, call: Call) -> tuple[str, str]:
    return call.principal.key_id, operation.operation_id


def import_operations() -> None:
    """Register all of the product's operations."""
    for name in _MODULES:
        import_module(f"{__package__}.{name}")
