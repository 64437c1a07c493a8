"""The decorator: what it registers, what it leaves alone, and the faults that it finds at import."""

import pytest
from pydantic import BaseModel, ValidationError

from pxt_flight.documented import list_in_docs
from pxt_flight.errors import CODES
from pxt_flight.public_api import HTTP_METHODS, PERMISSIONS, find_operation, get_public_api, operations, public_api

pytestmark = pytest.mark.usefixtures("empty_registry")


def make(name="list_things", **options):
    """Declare an operation of that qualified name."""

    def operation(call: object, folder: str, deep: bool = True, limit: int | None = None) -> list[str]:
        """List things.

        More about it.
        """
        return [folder, str(deep), str(limit)]

    operation.__qualname__, operation.__name__ = name, name.rpartition(".")[2]
    return public_api(**{"permission": "read", **options})(operation)


def test_it_returns_the_function_itself_with_its_markers():
    def plain(call: object) -> int:
        """Answer."""
        return 42

    plain.__qualname__ = "plain"
    decorated = public_api(permission="read")(plain)
    assert decorated is plain
    assert decorated(None) == 42
    assert decorated.__public_api__ is True
    assert decorated.__api_metadata__ is find_operation("plain")
    assert decorated.__api_metadata__.function is plain


def test_defaults_are_those_of_the_seed():
    make()
    operation = find_operation("list_things")
    assert (operation.category, operation.endpoint, operation.http_method, operation.version) == ("core", True, "POST", "v1")
    assert (operation.auth_required, operation.deprecated, operation.replacement, operation.rate_limit) == (True, None, None, None)
    assert operation.raises == ()
    assert operation.summary == "List things."


@pytest.mark.parametrize(
    ("name", "options", "path", "action"),
    [
        ("create_table", {}, "/api/pixeltable/create_table", "pixeltable.create_table"),
        ("create_table", {"version": "v2"}, "/api/v2/pixeltable/create_table", "pixeltable.create_table.v2"),
        ("Table.insert", {}, "/api/table/insert", "table.insert"),
        ("Table.add_column", {"version": "v2"}, "/api/v2/table/add_column", "table.add_column.v2"),
        ("query", {"path": "/api/v1/query"}, "/api/v1/query", "pixeltable.query"),
        ("Table.rows", {"path": "/api/v1/folders/{folder}", "http_method": "GET"}, "/api/v1/folders/{folder}", "table.rows"),
    ],
)
def test_paths_and_actions(name, options, path, action):
    make(name, **options)
    version = options.get("version", "v1")
    assert (find_operation(name, version).path, find_operation(name, version).action) == (path, action)


def test_a_method_of_a_class_belongs_to_it():
    class Table:
        def insert(self, values: list[int]) -> None:
            """Insert rows."""

    Table.insert.__qualname__ = "Table.insert"
    public_api(permission="write")(Table.insert)
    operation = find_operation("Table.insert")
    assert operation.noun == "table"
    assert list(operation.request_model.model_fields) == ["values"]


def test_get_public_api_has_the_shape_of_the_seed():
    make("create_table")
    make("Table.insert", category="tables")
    make("Table.update", category="tables")
    make("clip", category="functions.huggingface", endpoint=False)
    assert get_public_api() == {
        "core": ["create_table"],
        "tables": ["Table.insert", "Table.update"],
        "functions.huggingface": ["clip"],
    }
    assert [operation.name for operation in operations()] == ["create_table", "Table.insert", "Table.update", "clip"]


def test_an_unknown_operation():
    with pytest.raises(KeyError):
        find_operation("nothing")


# Request models


def test_the_request_model_has_the_arguments_that_a_client_gives():
    make()
    model = find_operation("list_things").request_model
    assert issubclass(model, BaseModel)
    assert model.__name__ == "ListThingsRequest"
    assert dict(model(folder="a")) == {"folder": "a", "deep": True, "limit": None}
    assert dict(model(folder="a", deep=False, limit=3)) == {"folder": "a", "deep": False, "limit": 3}
    assert model.model_json_schema()["required"] == ["folder"]
    assert find_operation("list_things").request_model is model


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"folder": 3},
        {"folder": "a", "limit": "many"},
        {"folder": "a", "call": None},
        {"folder": "a", "self": 1},
        {"folder": "a", "x": 1},
    ],
)
def test_what_does_not_fit_is_refused(arguments):
    make()
    with pytest.raises(ValidationError):
        find_operation("list_things").request_model(**arguments)


# Faults


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"permission": None}, "permission must be one of"),
        ({"permission": "root"}, "permission must be one of"),
        ({"http_method": "FETCH"}, "http_method 'FETCH' is not one of"),
        ({"http_method": "post"}, "http_method 'post' is not one of"),
        ({"raises": ("no_such_code",)}, r"raises names unknown codes \['no_such_code'\]"),
    ],
)
def test_faults_of_a_declaration(options, fault):
    with pytest.raises(TypeError, match=rf"^@public_api on .*\.list_things: {fault}"):
        make(**options)
    assert operations() == ()


def test_a_name_or_a_path_is_registered_once():
    make()
    with pytest.raises(TypeError, match="the name is registered already"):
        make()
    with pytest.raises(TypeError, match="POST /api/pixeltable/list_things is served already"):
        make("another", path="/api/pixeltable/list_things")
    make("a_third", path="/api/pixeltable/list_things", http_method="GET")


def test_a_docstring_is_needed():
    def silent() -> None: ...

    with pytest.raises(TypeError, match="a docstring is needed"):
        public_api(permission="read")(silent)


def unnamed(call: object, *values: int) -> None:
    """Take positions."""


def open_ended(call: object, **values: int) -> None:
    """Take anything."""


def positional(call: object, value: int, /) -> None:
    """Take a position."""


def untyped(call: object, value) -> None:
    """Take whatever."""


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (unnamed, "parameter values must be nameable"),
        (open_ended, "parameter values must be nameable"),
        (positional, "parameter value must be nameable"),
        (untyped, "parameter value has no type"),
    ],
)
def test_faults_of_parameters(function, fault):
    with pytest.raises(TypeError, match=fault):
        public_api(permission="read")(function)


def test_only_what_needs_no_key_needs_no_permission():
    make("health", permission=None, auth_required=False)
    assert find_operation("health").permission is None


# The real ones


@pytest.fixture
def real_operations(pxt):
    """The product's operations. Importing a module registers them once per process, so the registry is taken from the functions."""
    from pxt_flight.operations import queries, tables

    functions = [value for module in (queries, tables) for value in vars(module).values() if getattr(value, "__public_api__", False)]
    return [function.__api_metadata__ for function in functions]


def test_every_registered_operation_is_complete(real_operations):
    assert {"query", "list_tables"} <= {operation.name for operation in real_operations}
    for operation in real_operations:
        assert operation.summary.endswith(".")
        assert operation.permission in PERMISSIONS
        assert operation.http_method in HTTP_METHODS
        assert operation.path.startswith("/api/")
        assert set(operation.raises) <= CODES.keys()
        documented = operation.function.__doc__
        assert all(f"{name}:" in documented for name in operation.request_model.model_fields)
        assert operation.request_model.model_json_schema()["additionalProperties"] is False


def test_a_class_that_is_documented_only():
    class Function:
        pass

    class clip(Function):  # noqa: N801  # the seed's own
        """CLIP embedding function."""

        @classmethod
        def using(cls, model_id: str = "openai/clip-vit-base-patch32") -> str:
            return model_id

    clip.__qualname__ = "clip"
    assert public_api(category="functions.huggingface", endpoint=False)(clip) is clip
    assert clip.__public_api__ is True
    assert (clip.__api_metadata__.endpoint, clip.__api_metadata__.summary) == (False, "CLIP embedding function.")
    assert clip.using() == "openai/clip-vit-base-patch32"
    list_in_docs("yolox", category="functions.yolox")
    assert get_public_api() == {"functions.huggingface": ["clip"], "functions.yolox": ["yolox"]}
