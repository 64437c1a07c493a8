"""`@public_api`: one declaration per operation, from which every wire, client and page is made.

The decorator registers and returns the very function it was given; it never wraps, so calling an operation directly costs nothing and
hides nothing. Faults of a declaration (a repeated name, a missing permission) are found when its module is imported.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from pxt_flight.documented import Listed, listed
from pxt_flight.errors import CODES, PxtFlightError, error

F = TypeVar("F", bound=Callable[..., Any])

HTTP_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
PERMISSIONS = frozenset({"read", "write", "delete", "schema", "udf", "admin"})
# Filled in by the server, never by a request's arguments: the call (who asks, which engine), the object of a method, record batches.
CONTEXT_PARAMETERS = frozenset({"call", "self", "rows"})
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(_SECONDS)})")
_VERSION = re.compile(r"v[1-9][0-9]*")


@dataclass(frozen=True)
class MethodOf:
    """Marks the type of a first argument that names an object: the operation is a method of it then, and registered as such.

    `def insert(call: Call, table_path: Annotated[str, MethodOf("Table")], ...)` is `Table.insert`, and `table.insert` on Flight.
    """

    owner: str


@dataclass(frozen=True)
class ArrowBody:
    """Marks the type that an operation returns: its answer has rows, as a stream of record batches or as `response_model` in JSON."""


@dataclass(frozen=True)
class InQuery:
    """Marks the type of an argument that has a form of its own in a query string: that of `kind`, which the function takes as well."""

    kind: Any


@dataclass(frozen=True)
class Deprecation:
    """What becomes of an operation that has a better one.

    Attributes:
        release: that deprecated it.
        since: the day of that, for the header `Deprecation` (RFC 9745).
        sunset: the day after which it may be gone, for the header `Sunset` (RFC 8594).
    """

    release: str
    since: date | None = None
    sunset: date | None = None


@dataclass(frozen=True)
class RateLimit:
    """How often a key may call an operation: `count` times in `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(name for name, seconds in _SECONDS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


@dataclass(frozen=True)
class Operation:
    """One public operation, as its declaration says.

    `name` is the qualified name (`list_tables`, `Table.insert`), `noun` and `action` name it on Flight (`pixeltable.list_tables`).
    `path` is where HTTP serves it; with the very arguments that its action takes it is served at `call_path` too.
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
    response_model: Any = None
    deprecated: Deprecation | None = None
    replacement: str | None = None
    rate_limit: RateLimit | None = None
    status: int = 200

    @property
    def action(self) -> str:
        """The name of its Flight action, `{noun}.{name}`; of a later version `{noun}.{name}.v2`."""
        return f"{self.noun}.{self.short_name}" + ("" if self.version == "v1" else f".{self.version}")

    @property
    def short_name(self) -> str:
        """Its name without that of its object: `insert`."""
        return self.name.rpartition(".")[2]

    @property
    def call_path(self) -> str:
        """The path by its name: `/api/table/insert`, of a later version `/api/v2/table/insert`."""
        return f"/api/{'' if self.version == 'v1' else self.version + '/'}{self.noun}/{self.short_name}"

    @property
    def call_method(self) -> str:
        """The HTTP method at `call_path`: GET where nothing is changed, else POST."""
        return "GET" if self.http_method == "GET" else "POST"

    @property
    def operation_id(self) -> str:
        """Its name in OpenAPI and in generated clients: `table_insert`, `list_tables`."""
        plain = self.short_name if self.noun == "pixeltable" else f"{self.noun}_{self.short_name}"
        return plain + ("" if self.version == "v1" else f"_{self.version}")

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def takes_rows(self) -> bool:
        """Whether it takes record batches beside its arguments."""
        return "rows" in inspect.signature(self.function).parameters

    @property
    def needs_rows(self) -> bool:
        """Whether it is nothing without record batches: its parameter `rows` takes no None."""
        return self.takes_rows and type(None) not in get_args(get_type_hints(self.function)["rows"])

    @property
    def answers_rows(self) -> bool:
        """Whether its answer may be a stream of record batches."""
        hint = get_type_hints(self.function, include_extras=True).get("return")
        return any(isinstance(part, ArrowBody) for part in get_args(hint))

    @property
    def title(self) -> str:
        """Its name in the names of models: `TableInsert`."""
        return "".join(part.capitalize() for part in re.split(r"[._]", self.name)) + ("" if self.version == "v1" else self.version.upper())

    @cached_property
    def arguments(self) -> dict[str, tuple[Any, Any]]:
        """The type and the default (`...` where there is none) of each argument that a request gives."""
        hints = get_type_hints(self.function, include_extras=True)
        return {
            parameter.name: (hints[parameter.name], ... if parameter.default is parameter.empty else parameter.default)
            for parameter in _arguments(self.function)
        }

    @cached_property
    def request_model(self) -> type[BaseModel]:
        """A Pydantic model of its arguments, without what the server fills in. Unknown fields are refused."""
        return self.model_of(f"{self.title}Request", tuple(self.arguments))

    def model_of(self, title: str, names: tuple[str, ...], **more: tuple[Any, Any]) -> type[BaseModel]:
        """A Pydantic model of some of its arguments, and of others."""
        fields: dict[str, Any] = {name: self.arguments[name] for name in names} | more
        with warnings.catch_warnings():
            # Pydantic's own method of that name is deprecated; the argument is the seed's.
            warnings.filterwarnings("ignore", 'Field name "schema"', UserWarning)
            return create_model(title, __config__=ConfigDict(extra="forbid"), **fields)

    @cached_property
    def response_type(self) -> Any:
        """The type of its answer: `response_model`, else what its function is annotated to return."""
        return self.response_model or get_type_hints(self.function, include_extras=True)["return"]

    @cached_property
    def response(self) -> TypeAdapter[Any]:
        """Writes its answer as JSON."""
        return TypeAdapter(self.response_type)

    def read(self, body: bytes) -> dict[str, Any]:
        """The arguments in a JSON body, checked.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, naming the field at fault.
        """
        try:
            # Pydantic's own JSON, unlike Python's, refuses half of a surrogate pair, which no answer could quote.
            checked = self.request_model.model_validate_json(body or b"{}")
        except ValidationError as fault:
            raise invalid(self, fault) from None
        return dict(checked)

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments in values that are parsed; errors as of `read`."""
        try:
            return dict(self.request_model.model_validate(values))
        except ValidationError as fault:
            raise invalid(self, fault) from None


def invalid(operation: Operation, fault: ValidationError) -> PxtFlightError:
    """The error of arguments that are not those of an operation: `INVALID_ARGUMENT`, naming the first field at fault."""
    first = fault.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return error("INVALID_ARGUMENT", f"{operation.name}: the body is not valid JSON.")
    name = ".".join(str(part) for part in first["loc"])
    return error("INVALID_ARGUMENT", f"{operation.name}: {name or 'the body'}: {first['msg']}", where={"argument": name})


_registry: dict[tuple[str, str], Operation] = {}


def public_api(
    category: str = "core",
    endpoint: bool = True,
    http_method: str = "POST",
    path: str | None = None,
    response_model: Any = None,
    version: str = "v1",
    deprecated: str | Deprecation | None = None,
    replacement: str | None = None,
    rate_limit: str | None = None,
    auth_required: bool = True,
    permission: str | None = None,
    raises: tuple[str, ...] = (),
    status: int = 200,
) -> Callable[[F], F]:
    """Declare a function, method or class as public.

    Args:
        category: the page of the reference that it stands on.
        endpoint: whether the wires serve it; False documents it only, as of a class.
        http_method: GET, POST, PUT, PATCH or DELETE.
        path: its URL, where it is more than `/api/{noun}/{name}` (from version v2 on `/api/{version}/{noun}/{name}`), at which it is
            served in any case. `{name}` in it is the argument of that name.
        response_model: the type of its answer, where that is another than what the function returns.
        version: the version of the API that it belongs to, `v` and a number; a later one may stand beside an earlier one of the same name.
        deprecated: the release that deprecated it, or that with its days.
        replacement: the qualified name of the operation to use instead.
        rate_limit: how often a key may call it: `100/hour`, or of a second, minute or day.
        auth_required: whether a key is needed; only health checks go without.
        permission: what the key must be granted: read, write, delete, schema, udf or admin.
        raises: the error codes (`errors.CODES`) that it may answer beside those of every operation.
        status: the HTTP status of its answer: 200, 201 or 204.

    Raises:
        TypeError: the declaration is at fault; raised at import.
    """

    def register(function: F) -> F:
        name = _name(function)
        owner, _, _ = name.rpartition(".")
        operation = Operation(
            function=function,
            name=name,
            noun=owner.lower() or "pixeltable",  # the seed's noun of what belongs to the product as a whole
            category=category,
            endpoint=endpoint,
            http_method=http_method,
            path=path or "",
            version=version,
            permission=permission,
            auth_required=auth_required,
            raises=raises,
            response_model=response_model,
            deprecated=Deprecation(deprecated) if isinstance(deprecated, str) else deprecated,
            replacement=replacement,
            rate_limit=_rate(rate_limit, name),
            status=status,
        )
        operation = replace(operation, path=operation.path or operation.call_path)
        _check(operation)
        _registry[version, name] = operation
        function.__public_api__ = True  # type: ignore[attr-defined]  # the seed's markers, read by documentation tools
        function.__api_metadata__ = operation  # type: ignore[attr-defined]
        return function

    return register


def operations() -> tuple[Operation, ...]:
    """Every registered operation, in the order of declaration."""
    return tuple(_registry.values())


def find_operation(name: str, version: str = "v1") -> Operation:
    """The operation of that qualified name.

    Raises:
        KeyError: there is none.
    """
    return _registry[version, name]


def successor_of(operation: Operation) -> Operation | None:
    """The operation to use in place of a deprecated one: that of its `replacement`, of the latest version; None where there is none."""
    named = [other for other in _registry.values() if other.name == operation.replacement and other.endpoint and other is not operation]
    return max(named, key=lambda other: int(other.version[1:]), default=None)


def get_public_api() -> dict[str, list[str]]:
    """The public API as `{category: [names]}`, for example `{"core": ["list_tables", "query"]}`."""
    api: dict[str, list[str]] = {}
    entries: Iterator[Operation | Listed] = chain(_registry.values(), listed())
    for entry in entries:
        names = api.setdefault(entry.category, [])
        if entry.name not in names:  # of another version
            names.append(entry.name)
    return api


def _name(function: Callable[..., Any]) -> str:
    """A method belongs to its class (`Table.insert`), and so does a function whose first argument names an object of it."""
    first = next(iter(_arguments(function)), None) if inspect.isfunction(function) else None
    hint = None if first is None else get_type_hints(function, include_extras=True).get(first.name)
    owner = next((part.owner for part in get_args(hint) if isinstance(part, MethodOf)), None) if get_origin(hint) is Annotated else None
    return function.__qualname__ if owner is None else f"{owner}.{function.__name__}"


def _rate(text: str | None, name: str) -> RateLimit | None:
    if text is None:
        return None
    found = _RATE.fullmatch(text)
    if found is None:
        raise TypeError(f"@public_api on {name}: rate_limit {text!r} is not like 100/hour")
    return RateLimit(int(found[1]), _SECONDS[found[2]])


def _arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.name not in CONTEXT_PARAMETERS]


def _check(operation: Operation) -> None:
    served = chain(_parameter_faults(operation.function), _wire_faults(operation)) if operation.endpoint else ()
    for fault in chain(_declaration_faults(operation), served):  # the first; those behind it may not be askable
        raise TypeError(f"@public_api on {operation.function.__module__}.{operation.name}: {fault}")


def _declaration_faults(operation: Operation) -> Iterator[str]:
    if (operation.version, operation.name) in _registry:
        yield "the name is registered already"
    if operation.http_method not in HTTP_METHODS:
        yield f"http_method {operation.http_method!r} is not one of {sorted(HTTP_METHODS)}"
    if operation.endpoint and operation.auth_required and operation.permission not in PERMISSIONS:
        yield f"permission must be one of {sorted(PERMISSIONS)}"
    if not operation.summary:
        yield "a docstring is needed: it is the reference page"
    if unknown := set(operation.raises) - CODES.keys():
        yield f"raises names unknown codes {sorted(unknown)}"
    if not _VERSION.fullmatch(operation.version):
        yield f"version {operation.version!r} is not like v1"
    if operation.replacement and not operation.deprecated:
        yield "a replacement is for what is deprecated"


def _wire_faults(operation: Operation) -> Iterator[str]:
    served = {route for other in _registry.values() if other.endpoint for route in routes_of(other)}
    for method, path in routes_of(operation):
        if (method, path) in served:
            yield f"{method} {path} is served already"
    if operation.auth_required and not operation.path.startswith("/api/"):  # what needs no key may stand where probes look for it
        yield f"path {operation.path!r} does not begin with /api/"
    if strange := set(re.findall(r"{(\w+)}", operation.path)) - operation.arguments.keys():
        yield f"the path names {sorted(strange)}, which are no arguments"
    if "return" not in get_type_hints(operation.function):
        yield "the type that it returns is needed"


def routes_of(operation: Operation) -> tuple[tuple[str, str], ...]:
    """The methods and paths at which HTTP serves an operation: that of its declaration, and that by its name."""
    return tuple(dict.fromkeys(((operation.http_method, operation.path), (operation.call_method, operation.call_path))))


def _parameter_faults(function: Callable[..., Any]) -> Iterator[str]:
    hints = get_type_hints(function)
    for parameter in _arguments(function):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            yield f"parameter {parameter.name} must be nameable, JSON has no positions"
        if parameter.name not in hints:
            yield f"parameter {parameter.name} has no type"
