"""`@public_api`: one declaration per operation, from which every wire, client and page is made.

The decorator registers and returns the very function it was given; it never wraps, so calling an operation directly costs nothing and
hides nothing. Faults of a declaration (a repeated name, a missing permission) are found when its module is imported.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from pxt_flight.errors import CODES

F = TypeVar("F", bound=Callable[..., Any])

HTTP_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
PERMISSIONS = frozenset({"read", "write", "delete", "schema", "udf", "admin"})
# Filled in by the server, never out of a JSON body: the call (who asks, which engine), the object of a method, record batches.
CONTEXT_PARAMETERS = frozenset({"call", "self", "rows"})


@dataclass(frozen=True)
class Operation:
    """One public operation, as its declaration says.

    `name` is the qualified name (`list_tables`, `Table.insert`), `noun` and `action` name it on Flight (`pixeltable.list_tables`).
    """

    function: Callable[..., Any]
    name: str
    noun: str
    category: str
    endpoint: bool
    http_method: str
    path: str
    version: str
    permission: str | None
    auth_required: bool
    raises: tuple[str, ...]
    response_model: type[BaseModel] | None = None
    deprecated: str | None = None
    replacement: str | None = None
    rate_limit: str | None = None

    @property
    def action(self) -> str:
        """The name of its Flight action, `{noun}.{name}`."""
        return f"{self.noun}.{self.function.__name__}"

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def takes_rows(self) -> bool:
        """Whether it takes record batches beside its arguments."""
        return "rows" in inspect.signature(self.function).parameters

    @cached_property
    def request_model(self) -> type[BaseModel]:
        """A Pydantic model of its arguments, without what the server fills in. Unknown fields are refused."""
        hints = get_type_hints(self.function)
        fields: dict[str, Any] = {}
        for parameter in _arguments(self.function):
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
        title = self.name.replace(".", " ").title().replace("_", "").replace(" ", "")
        return create_model(f"{title}Request", __config__=ConfigDict(extra="forbid"), **fields)


_registry: dict[str, Operation] = {}


def public_api(
    category: str = "core",
    endpoint: bool = True,
    http_method: str = "POST",
    path: str | None = None,
    response_model: type[BaseModel] | None = None,
    version: str = "v1",
    deprecated: str | None = None,
    replacement: str | None = None,
    rate_limit: str | None = None,
    auth_required: bool = True,
    permission: str | None = None,
    raises: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Declare a function or method as a public operation.

    Args:
        category: the page of the reference that it stands on.
        endpoint: whether the wires serve it; False documents it only.
        http_method: GET, POST, PUT, PATCH or DELETE.
        path: its URL; default `/api/{noun}/{name}`, from version v2 on `/api/{version}/{noun}/{name}`.
        response_model: the Pydantic model of its answer, where the return annotation is not one.
        version: the version of the API that it first belongs to, `v` and a number.
        deprecated: the release that deprecated it.
        replacement: the operation to use instead.
        rate_limit: for example `100/hour`, per key.
        auth_required: whether a key is needed; only health checks go without.
        permission: what the key must be granted: read, write, delete, schema, udf or admin.
        raises: the error codes (`errors.CODES`) that it may answer beside those of every operation.

    Raises:
        TypeError: the declaration is at fault; raised at import.
    """

    def register(function: F) -> F:
        name, noun = function.__qualname__, _noun(function)
        operation = Operation(
            function=function,
            name=name,
            noun=noun,
            category=category,
            endpoint=endpoint,
            http_method=http_method,
            path=path or f"/api/{'' if version == 'v1' else version + '/'}{noun}/{function.__name__}",
            version=version,
            permission=permission,
            auth_required=auth_required,
            raises=raises,
            response_model=response_model,
            deprecated=deprecated,
            replacement=replacement,
            rate_limit=rate_limit,
        )
        _check(operation)
        _registry[name] = operation
        function.__public_api__ = True  # type: ignore[attr-defined]  # the seed's markers, read by documentation tools
        function.__api_metadata__ = operation  # type: ignore[attr-defined]
        return function

    return register


def operations() -> tuple[Operation, ...]:
    """Every registered operation, in the order of declaration."""
    return tuple(_registry.values())


def find_operation(name: str) -> Operation:
    """The operation of that qualified name.

    Raises:
        KeyError: there is none.
    """
    return _registry[name]


def get_public_api() -> dict[str, list[str]]:
    """The public API as `{category: [names]}`, for example `{"core": ["list_tables", "query"]}`."""
    api: dict[str, list[str]] = {}
    for operation in _registry.values():
        api.setdefault(operation.category, []).append(operation.name)
    return api


def _noun(function: Callable[..., Any]) -> str:
    """A method belongs to its class (`Table.insert`: table), a function to the product as a whole (the seed's `pixeltable`)."""
    owner, _, _ = function.__qualname__.rpartition(".")
    return owner.lower() if owner else "pixeltable"


def _arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.name not in CONTEXT_PARAMETERS]


def _check(operation: Operation) -> None:
    for fault in (*_declaration_faults(operation), *_parameter_faults(operation.function)):
        raise TypeError(f"@public_api on {operation.function.__module__}.{operation.name}: {fault}")


def _declaration_faults(operation: Operation) -> Iterator[str]:
    if operation.name in _registry:
        yield "the name is registered already"
    if any(other.http_method == operation.http_method and other.path == operation.path for other in _registry.values()):
        yield f"{operation.http_method} {operation.path} is served already"
    if operation.http_method not in HTTP_METHODS:
        yield f"http_method {operation.http_method!r} is not one of {sorted(HTTP_METHODS)}"
    if operation.auth_required and operation.permission not in PERMISSIONS:
        yield f"permission must be one of {sorted(PERMISSIONS)}"
    if not operation.summary:
        yield "a docstring is needed: it is the reference page"
    if unknown := set(operation.raises) - CODES.keys():
        yield f"raises names unknown codes {sorted(unknown)}"


def _parameter_faults(function: Callable[..., Any]) -> Iterator[str]:
    hints = get_type_hints(function)
    for parameter in _arguments(function):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            yield f"parameter {parameter.name} must be nameable, JSON has no positions"
        if parameter.name not in hints:
            yield f"parameter {parameter.name} has no type"
