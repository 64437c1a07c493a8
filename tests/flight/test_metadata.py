"""The metadata commands of Flight SQL: what they list, for whom, in exactly which schema, and that they follow every change."""

import functools
import secrets
import time

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.access.grants import MediaGrants, Signer
from pxt_flight.access.keys import KeyRing, key_hash, make_key
from pxt_flight.access.principals import Principal
from pxt_flight.flight import messages

often = settings(max_examples=200, deadline=None)
TEXT, NUMBER = pa.utf8(), pa.int32()


def fields(*described):
    """`catalog_name?` may be NULL."""
    return pa.schema([pa.field(name.rstrip("?"), kind, name.endswith("?")) for name, kind in described])


PLACE = [("catalog_name?", TEXT), ("db_schema_name?", TEXT), ("table_name", TEXT)]
FOREIGN = fields(
    *[("pk_catalog_name?", TEXT), ("pk_db_schema_name?", TEXT), ("pk_table_name", TEXT), ("pk_column_name", TEXT)],
    *[("fk_catalog_name?", TEXT), ("fk_db_schema_name?", TEXT), ("fk_table_name", TEXT), ("fk_column_name", TEXT)],
    *[("key_sequence", NUMBER), ("fk_key_name?", TEXT), ("pk_key_name?", TEXT), ("update_rule", pa.uint8()), ("delete_rule", pa.uint8())],
)
UNION = pa.dense_union(
    [
        pa.field("string_value", pa.utf8()),
        pa.field("bool_value", pa.bool_()),
        pa.field("bigint_value", pa.int64()),
        pa.field("int32_bitmask", pa.int32()),
        pa.field("string_list", pa.list_(pa.utf8())),
        pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
    ]
)
# As `FlightSql.proto` writes them.
SCHEMAS = [
    (messages.CommandGetCatalogs(), fields(("catalog_name", TEXT))),
    (messages.CommandGetDbSchemas(), fields(("catalog_name?", TEXT), ("db_schema_name", TEXT))),
    (messages.CommandGetTables(), fields(*PLACE, ("table_type", TEXT))),
    (messages.CommandGetTables(include_schema=True), fields(*PLACE, ("table_type", TEXT), ("table_schema", pa.binary()))),
    (messages.CommandGetTableTypes(), fields(("table_type", TEXT))),
    (
        messages.CommandGetPrimaryKeys(table="wire_films"),
        fields(*PLACE, ("column_name", TEXT), ("key_name?", TEXT), ("key_sequence", NUMBER)),
    ),
    (messages.CommandGetExportedKeys(table="wire_films"), FOREIGN),
    (messages.CommandGetImportedKeys(table="wire_films"), FOREIGN),
    (messages.CommandGetCrossReference(pk_table="wire_films", fk_table="wire_films"), FOREIGN),
    (messages.CommandGetSqlInfo(), fields(("info_name", pa.uint32()), ("value", UNION))),
    (
        messages.CommandGetXdbcTypeInfo(),
        fields(
            *[("type_name", TEXT), ("data_type", NUMBER), ("column_size?", NUMBER), ("literal_prefix?", TEXT), ("literal_suffix?", TEXT)],
            *[("create_params?", pa.list_(pa.field("item", TEXT, nullable=False))), ("nullable", NUMBER), ("case_sensitive", pa.bool_())],
            *[("searchable", NUMBER), ("unsigned_attribute?", pa.bool_()), ("fixed_prec_scale", pa.bool_())],
            *[("auto_increment?", pa.bool_()), ("local_type_name?", TEXT), ("minimum_scale?", NUMBER), ("maximum_scale?", NUMBER)],
            *[("sql_data_type", NUMBER), ("datetime_subcode?", NUMBER), ("num_prec_radix?", NUMBER), ("interval_precision?", NUMBER)],
        ),
    ),
]


@pytest.fixture(scope="module")
def library(pxt, films):
    """Tables, a view, a snapshot, names with `_`, keys of two columns, and a column that is not served, two directories deep."""
    pxt.create_dir("wire_lib")
    pxt.create_dir("wire_lib/deep")
    books = pxt.create_table(
        "wire_lib/books_1", {"isbn": pxt.String, "copy": pxt.Int, "at": pxt.Timestamp | None}, primary_key=["isbn", "copy"]
    )
    pxt.create_table("wire_lib/booksx1", {"id": pxt.Int})
    pxt.create_table("wire_lib/deep/vectors", {"id": pxt.Int, "vector": pxt.Array[(3,), pxt.Float] | None, "film": pxt.Video | None})
    pxt.create_view("wire_lib/deep/late", books.where(books.copy > 1))
    pxt.create_snapshot("wire_lib/deep/then", books)
    return "wire_lib"


def ask(client, options, message):
    info = client.get_flight_info(fl.FlightDescriptor.for_command(messages.pack_any(message)), options)
    (endpoint,) = info.endpoints
    return client.do_get(endpoint.ticket, options).read_all()


@pytest.fixture
def rows(stranger, as_owner):
    """The rows that a command answers."""

    def read(message):
        return ask(stranger, as_owner, message).to_pylist()

    return read


@pytest.mark.parametrize(("message", "schema"), SCHEMAS, ids=[type(message).__name__ for message, _ in SCHEMAS])
def test_the_schema_is_the_one_of_flight_sql(stranger, as_owner, films, message, schema):
    command = messages.pack_any(message)
    descriptor = fl.FlightDescriptor.for_command(command)
    assert stranger.get_schema(descriptor, as_owner).schema == schema
    assert stranger.get_flight_info(descriptor, as_owner).schema == schema
    batches = list(stranger.do_get(fl.Ticket(command), as_owner))
    assert [batch.data.schema for batch in batches] == [schema]  # in one batch, for ADBC reads only the first
    batches[0].data.validate(full=True)


def test_catalogs_and_directories(rows, library):
    assert rows(messages.CommandGetCatalogs()) == [{"catalog_name": "pixeltable"}]
    found = [row["db_schema_name"] for row in rows(messages.CommandGetDbSchemas())]
    assert found == sorted(found)
    assert {"", "wire_lib", "wire_lib/deep"} <= set(found)
    deep = rows(messages.CommandGetDbSchemas(catalog="pixeltable", db_schema_filter_pattern="wire_lib/%"))
    assert deep == [{"catalog_name": "pixeltable", "db_schema_name": "wire_lib/deep"}]
    assert rows(messages.CommandGetDbSchemas(db_schema_filter_pattern="")) == [{"catalog_name": "pixeltable", "db_schema_name": ""}]
    for catalog in ("", "other"):
        assert rows(messages.CommandGetDbSchemas(catalog=catalog)) == rows(messages.CommandGetTables(catalog=catalog)) == []


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["books_1", "booksx1", "late", "then", "vectors"]),
        ({"table_types": ("TABLE",)}, ["books_1", "booksx1", "vectors"]),
        ({"table_types": ("VIEW", "SNAPSHOT")}, ["late", "then"]),
        ({"table_types": ("SYSTEM TABLE",)}, []),
        ({"table_name_filter_pattern": "books%"}, ["books_1", "booksx1"]),
        ({"table_name_filter_pattern": "books_1"}, ["books_1", "booksx1"]),
        ({"table_name_filter_pattern": r"books\_1"}, ["books_1"]),
        ({"table_name_filter_pattern": "BOOKS__"}, ["books_1", "booksx1"]),
        ({"table_name_filter_pattern": ""}, []),
        ({"db_schema_filter_pattern": "wire_lib/deep"}, ["late", "then", "vectors"]),
        ({"db_schema_filter_pattern": r"wire\_lib"}, ["books_1", "booksx1"]),
    ],
)
def test_tables_by_pattern_and_type(rows, library, filters, names):
    command = messages.CommandGetTables(**({"db_schema_filter_pattern": "wire_lib%"} | filters))
    assert [row["table_name"] for row in rows(command)] == names


def test_tables_say_where_and_what_they_are(rows, library):
    (view,) = rows(messages.CommandGetTables(table_name_filter_pattern="late"))
    assert view == {"catalog_name": "pixeltable", "db_schema_name": "wire_lib/deep", "table_name": "late", "table_type": "VIEW"}
    types = {row["table_type"] for row in rows(messages.CommandGetTables())}
    assert types <= {row["table_type"] for row in rows(messages.CommandGetTableTypes())}


@pytest.mark.parametrize("path", ["wire_films", "wire_lib/books_1", "wire_lib/deep/late", "wire_lib/deep/then"])
def test_the_schema_of_a_table_is_that_of_its_rows(stranger, as_owner, rows, library, path):
    name = path.rpartition("/")[2]
    (row,) = rows(messages.CommandGetTables(table_name_filter_pattern=name.replace("_", r"\_"), include_schema=True))
    told = pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
    read = stranger.do_get(fl.Ticket(f'select * from "{path}"'.encode()), as_owner).read_all().schema
    assert told == read
    for ours, theirs in zip(told, read, strict=True):
        assert theirs.metadata.items() <= ours.metadata.items()
        assert ours.metadata[b"ARROW:FLIGHT:SQL:TABLE_NAME"] == name.encode()


def test_hints_for_bi_tools(rows, library):
    (row,) = rows(messages.CommandGetTables(table_name_filter_pattern=r"books\_1", include_schema=True))
    schema = pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
    names = {field.name: field.metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"].decode() for field in schema}
    assert names == {"isbn": "TEXT", "copy": "BIGINT", "at": "TIMESTAMP WITH TIME ZONE"}
    known = {row["type_name"] for row in rows(messages.CommandGetXdbcTypeInfo())}
    assert set(names.values()) <= known


def test_a_table_with_a_column_that_is_not_served_is_listed(rows, library):
    (row,) = rows(messages.CommandGetTables(table_name_filter_pattern="vectors", include_schema=True))
    assert "id" in pa.ipc.read_schema(pa.py_buffer(row["table_schema"])).names


def test_primary_keys(rows, library):
    keys = rows(messages.CommandGetPrimaryKeys(table="books_1", db_schema="wire_lib"))
    assert [(key["db_schema_name"], key["column_name"], key["key_sequence"]) for key in keys] == [
        ("wire_lib", "isbn", 1),
        ("wire_lib", "copy", 2),
    ]
    assert rows(messages.CommandGetPrimaryKeys(table="books_1")) == keys
    for other in (
        messages.CommandGetPrimaryKeys(table="books_1", db_schema=""),
        messages.CommandGetPrimaryKeys(table="books_1", catalog="other"),
        messages.CommandGetPrimaryKeys(table="booksx1"),
        messages.CommandGetPrimaryKeys(table="no_such"),
    ):
        assert rows(other) == []


def test_foreign_keys_there_are_none(rows, library):
    for message in (
        messages.CommandGetExportedKeys(table="books_1"),
        messages.CommandGetImportedKeys(table="books_1"),
        messages.CommandGetCrossReference(pk_table="books_1", fk_table="booksx1"),
    ):
        assert rows(message) == []


def test_sql_info(rows):
    every = {row["info_name"]: row["value"] for row in rows(messages.CommandGetSqlInfo())}
    assert set(every) == {*range(12), 100, 101, *range(500, 577)}
    assert (every[0], every[8], every[9], every[504], every[513]) == ("pxt-flight", 0, True, '"', "\\")
    assert (every[3], every[10], every[11], every[563]) == (False, True, False, False)  # writes, ingests, no transactions
    assert "LIMIT" in every[508]
    asked = {row["info_name"]: row["value"] for row in rows(messages.CommandGetSqlInfo(info=(504, 0, 9999, 504)))}
    assert asked == {504: '"', 0: "pxt-flight"}


def test_sql_info_stands_in_the_member_that_jdbc_reads(stranger, as_owner):
    table = ask(stranger, as_owner, messages.CommandGetSqlInfo())
    codes = dict(zip(table["info_name"].to_pylist(), table["value"].chunk(0).type_codes.to_pylist(), strict=True))
    assert [codes[name] for name in (0, 3, 562, 8, 508, 517)] == [0, 1, 2, 3, 4, 5]


def test_types(rows):
    every = rows(messages.CommandGetXdbcTypeInfo())
    assert every == sorted(every, key=lambda row: (row["data_type"], row["type_name"]))
    (bigint,) = rows(messages.CommandGetXdbcTypeInfo(data_type=-5))
    assert (bigint["type_name"], bigint["column_size"], bigint["num_prec_radix"]) == ("BIGINT", 19, 10)
    assert rows(messages.CommandGetXdbcTypeInfo(data_type=2)) == []


# It follows every change, at once


def test_tables_that_come_change_and_go(rows, pxt, library):
    def columns(name):
        found = rows(messages.CommandGetTables(table_name_filter_pattern=name, include_schema=True))
        return [pa.ipc.read_schema(pa.py_buffer(row["table_schema"])).names for row in found]

    assert columns("wirecomes") == []
    table = pxt.create_table("wire_lib/wirecomes", {"id": pxt.Int})
    view = pxt.create_view("wire_lib/wiresees", table)
    assert columns("wirecomes") == columns("wiresees") == [["id"]]
    table.add_column(more=pxt.Int | None)
    assert columns("wirecomes") == [["id", "more"]]
    assert set(columns("wiresees")[0]) == set(view.get_metadata()["columns"])
    table.rename_column("more", "less")
    assert columns("wirecomes") == [["id", "less"]]
    pxt.move("wire_lib/wirecomes", "wire_lib/deep/wirewent")
    assert (columns("wirecomes"), columns("wirewent")) == ([], [["id", "less"]])
    pxt.drop_table("wire_lib/deep/wirewent", force=True)
    pxt.create_table("wire_lib/deep/wirewent", {"other": pxt.String})
    assert columns("wirewent") == [["other"]]
    pxt.drop_table("wire_lib/deep/wirewent")
    assert columns("wirewent") == columns("wiresees") == []


def test_the_second_time_is_fast(stranger, as_owner, library):
    message = messages.CommandGetTables(include_schema=True)
    ask(stranger, as_owner, message)
    took = []
    for _ in range(5):
        before = time.perf_counter()
        ask(stranger, as_owner, message)
        took.append(time.perf_counter() - before)
    assert min(took) < 0.1  # read anew, the tables of this store take Pixeltable seconds


# Who may see what


@pytest.fixture
def client_of(pxt, store):
    """A client of a server of its own, with a key for some tables: `client_of(tables, permissions)`."""
    from pxt_flight.engine.catalog import Catalog
    from pxt_flight.engine.engine import Engine
    from pxt_flight.engine.writer import Writer
    from pxt_flight.flight.server import FlightServer
    from pxt_flight.operations.links import MediaLinks
    from pxt_flight.operations.startup import OpenStore

    engine, pepper, keys = Engine(threads=1), secrets.token_bytes(32), {}
    secret, ring = secrets.token_bytes(32), KeyRing(pepper, keys)
    links = MediaLinks(MediaGrants(secret), lambda: "http://nowhere")
    store = OpenStore(engine, Writer(engine), ring, Signer(secret), MediaGrants(secret), "")
    server = FlightServer("grpc://127.0.0.1:0", store=store, catalog=Catalog(engine.store.uri), links=links)

    def connect(tables, permissions=("read",)):
        key = make_key()
        keys[key_hash(pepper, key)] = Principal(key, "test", frozenset(permissions), tuple(tables))
        options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {key}".encode())])
        return functools.partial(ask, client, options), client, options

    with fl.connect(f"grpc://127.0.0.1:{server.port}") as client:
        yield connect
    server.drain(5)
    store.close()


def test_a_key_is_told_of_its_own_tables_only(client_of, library):
    read, client, options = client_of(["wire_lib/deep/*"])
    tables = read(messages.CommandGetTables(include_schema=True)).to_pylist()
    assert [row["table_name"] for row in tables] == ["late", "then", "vectors"]
    schemas = [row["db_schema_name"] for row in read(messages.CommandGetDbSchemas()).to_pylist()]
    assert schemas == ["", "wire_lib", "wire_lib/deep"]
    assert read(messages.CommandGetPrimaryKeys(table="books_1")).num_rows == 0
    assert [info.descriptor.path[-1] for info in client.list_flights(b"", options)] == [b"late", b"then", b"vectors"]
    with pytest.raises(fl.FlightServerError, match="TABLE_NOT_FOUND: "):
        read(messages.CommandStatementQuery(query="select * from wire_lib.books_1"))


@pytest.mark.parametrize(
    "message", [messages.CommandGetTables(), messages.CommandGetDbSchemas(), messages.CommandGetPrimaryKeys(table="x")]
)
def test_a_key_that_may_not_read_is_told_nothing(client_of, library, message):
    read, _, _ = client_of(["*"], permissions=["write"])
    with pytest.raises(fl.FlightUnauthorizedError, match="permission_denied: "):
        read(message)


def test_another_key_cannot_cancel_or_renew(client_of, library):
    _, client, options = client_of(["*"])
    _, _, others = client_of(["*"])
    info = client.get_flight_info(fl.FlightDescriptor.for_path("wire_lib", "books_1"), options)
    endpoint = info.endpoints[0].serialize()
    body = b"\x0a" + bytes([len(endpoint) & 0x7F | 0x80, len(endpoint) >> 7]) + endpoint
    with pytest.raises(fl.FlightServerError, match="ticket_invalid: "):
        list(client.do_action(fl.Action("RenewFlightEndpoint", body), others))
    assert list(client.do_action(fl.Action("RenewFlightEndpoint", body), options))


# Flights


@pytest.mark.parametrize(
    ("criteria", "paths"),
    [
        (b"wire_lib/%", {"wire_lib/books_1", "wire_lib/booksx1", "wire_lib/deep/late", "wire_lib/deep/then", "wire_lib/deep/vectors"}),
        (b"wire_lib/books\\_1", {"wire_lib/books_1"}),
        (b"%/late", {"wire_lib/deep/late"}),
        (b"no_such", set()),
        (b"\xff", set()),
    ],
)
def test_list_flights_by_pattern(stranger, as_owner, library, criteria, paths):
    found = {"/".join(part.decode() for part in info.descriptor.path) for info in stranger.list_flights(criteria, as_owner)}
    assert found == paths


# LIKE


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("%", "", True),
        ("_", "", False),
        ("a%b%c", "axxbxxbc", True),
        ("a%b%c", "axxbxx", False),
        (r"100\%", "100%", True),
        (r"100\%", "1000", False),
        (r"\\", "\\", True),
        ("a\\", "a\\", True),
        ("[a-z]*", "abc", False),
        (".", "a", False),
        ("%" * 40 + "b", "a" * 60, False),
        ("%a" * 40, "a" * 60, True),
        ("%a" * 40 + "b", "a" * 60, False),
    ],
)
def test_like(pxt, pattern, name, matches):
    from pxt_flight.flight.metadata import like

    assert like(pattern)(name) is matches


@often
@given(pattern=st.text(alphabet="a%_\\", max_size=8), name=st.text(alphabet="a%_\\b", max_size=8))
def test_like_is_that_of_postgres(pxt, postgres, pattern, name):
    from pxt_flight.flight.metadata import like

    # Postgres refuses a pattern that ends with its escape; ours takes it as itself.
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2 == 0:
        ((expected,),) = postgres.execute("select %s::text like %s::text", [name, pattern]).fetchall()
        assert like(pattern)(name) is expected
