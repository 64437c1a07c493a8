"""Arrow Flight as pyarrow speaks it: every RPC, tickets that are pinned to a version, and connections that come back."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from PIL import Image

import pxt_flight as pf
from pxt_flight.flight import messages

BY_COMMAND = fl.FlightDescriptor.for_command
BY_PATH = fl.FlightDescriptor.for_path


@pytest.fixture(scope="module")
def nested(pxt):
    """A table two directories deep."""
    pxt.create_dir("wire_shelf")
    pxt.create_dir("wire_shelf/upper")
    pxt.create_table("wire_shelf/upper/books", {"id": pxt.Int}).insert([{"id": 1}, {"id": 2}])
    return "wire_shelf/upper/books"


@pytest.fixture(scope="module")
def pictures(pxt, tmp_path_factory):
    """Two pictures of 400 x 300 pixels, and a row without one."""
    folder = tmp_path_factory.mktemp("pictures")
    files = [folder / "teal.png", folder / "red.png"]
    for file in files:
        Image.new("RGB", (400, 300), file.stem).save(file)
    rows = [{"id": i, "image": str(file)} for i, file in enumerate(files)]
    pxt.create_table("wire_pictures", {"id": pxt.Int, "image": pxt.Image | None}).insert([*rows, {"id": 2, "image": None}])
    return files


@pytest.fixture(scope="module")
def long_table(pxt):
    """Rows enough that their stream (16 MB) does not fit into the buffers of the way."""
    table = pxt.create_table("wire_long", {"id": pxt.Int, "text": pxt.String})
    table.insert([{"id": i, "text": "x" * 4000} for i in range(4000)])
    return "wire_long"


def read(client, info, options):
    return client.do_get(info.endpoints[0].ticket, options).read_all()


def code_of(caught):
    return json.loads(caught.value.extra_info)["code"]


def commands(sql):
    body = json.dumps({"sql": sql}).encode()
    statement = messages.pack_any(messages.CommandStatementQuery(query=sql))
    return {"text": sql.encode(), "json": body, "flight sql": statement}


@pytest.mark.parametrize("form", ["text", "json", "flight sql"])
def test_info_schema_and_rows_by_command(stranger, as_owner, films, form):
    descriptor = BY_COMMAND(commands(f"select id, name from {films} where id < 2 order by id")[form])
    info = stranger.get_flight_info(descriptor, as_owner)
    table = read(stranger, info, as_owner)
    assert table.to_pylist() == [{"id": 0, "name": None}, {"id": 1, "name": "film 1"}]
    assert info.schema == table.schema == stranger.get_schema(descriptor, as_owner).schema
    assert table.schema.field("id").metadata == {b"pxt:type": b"Int"}
    assert not table.schema.field("id").nullable
    assert [endpoint.locations for endpoint in info.endpoints] == [[]]


def test_json_command_with_parameters(stranger, as_owner, films):
    body = json.dumps({"sql": f"select id from {films} where name = $1", "parameters": ["film 7"]}).encode()
    assert read(stranger, stranger.get_flight_info(BY_COMMAND(body), as_owner), as_owner).to_pylist() == [{"id": 7}]


@pytest.mark.parametrize("path", [["wire_shelf/upper/books"], ["wire_shelf", "upper", "books"], ["Wire_Shelf", "UPPER", "books"]])
def test_by_path(stranger, as_owner, nested, path):
    info = stranger.get_flight_info(BY_PATH(*path), as_owner)
    assert read(stranger, info, as_owner).to_pylist() == [{"id": 1}, {"id": 2}]
    assert stranger.get_schema(BY_PATH(*path), as_owner).schema == info.schema


@pytest.mark.parametrize("path", [[], [""], ["no_such_table"], ["wire_shelf", "upper"], ['books" where 1=1 --']])
def test_a_path_that_names_no_table(stranger, as_owner, nested, path):
    with pytest.raises(fl.FlightError) as caught:
        stranger.get_flight_info(BY_PATH(*path), as_owner)
    assert code_of(caught) in ("TABLE_NOT_FOUND", "sql_syntax")


@pytest.mark.parametrize("form", ["text", "json"])
def test_sql_in_place_of_a_ticket(stranger, as_owner, films, form):
    ticket = fl.Ticket(commands(f"select count(*) as n from {films}")[form])
    assert stranger.do_get(ticket, as_owner).read_all().to_pylist() == [{"n": 100}]


def test_list_flights_are_readable(stranger, as_owner, films, nested, pictures):
    found = {b"/".join(info.descriptor.path).decode(): info for info in stranger.list_flights(b"", as_owner)}
    assert {films, nested, "wire_pictures"} <= found.keys()
    assert read(stranger, found[nested], as_owner).num_rows == 2
    assert read(stranger, found["wire_pictures"], as_owner).num_rows == 3


def test_list_flights_names_every_table(stranger, as_owner, films, make_table, pxt):
    name = make_table({"vector": pxt.Array[(3,), pxt.Float]}).get_metadata()["name"]
    paths = [info.descriptor.path for info in stranger.list_flights(b"", as_owner)]
    assert [films.encode()] in paths
    assert [name.encode()] in paths


def test_actions_are_those_of_the_registry(stranger, as_owner):
    listed = {action.type: action.description for action in stranger.list_actions(as_owner)}
    assert listed["pixeltable.list_tables"] == "List the tables of a directory that this key may read."
    assert "pixeltable.query" not in listed


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ["wire_films", "wire_shelf/upper/books"]),
        (b'{"dir_path": "/wire_shelf"}', ["wire_shelf/upper/books"]),
        (b'{"dir_path": "wire_shelf", "recursive": false}', []),
    ],
)
def test_list_tables(stranger, as_owner, films, nested, body, expected):
    (result,) = stranger.do_action(fl.Action("pixeltable.list_tables", body), as_owner)
    assert set(expected) <= set(json.loads(result.body.to_pybytes()))


@pytest.mark.parametrize(
    ("body", "argument"),
    [(b"{", None), (b"\xff", None), (b"[1]", ""), (b'{"folder": "/"}', "folder"), (b'{"recursive": "perhaps"}', "recursive")],
)
def test_list_tables_names_the_argument_at_fault(stranger, as_owner, body, argument):
    with pytest.raises(fl.FlightError) as caught:
        list(stranger.do_action(fl.Action("pixeltable.list_tables", body), as_owner))
    fault = pf.errors.from_json(caught.value.extra_info)
    assert fault.code == "INVALID_ARGUMENT"
    assert fault.where.get("argument") == argument


def test_list_tables_of_a_directory_that_is_none(stranger, as_owner):
    with pytest.raises(fl.FlightError) as caught:
        list(stranger.do_action(fl.Action("pixeltable.list_tables", b'{"dir_path": "nowhere"}'), as_owner))
    assert code_of(caught) == "TABLE_NOT_FOUND"


# Media


def with_media(server, mode):
    key = f"Bearer {server.key}".encode()
    return fl.FlightCallOptions(headers=[(b"authorization", key), (b"x-pxt-media", mode.encode())])


def test_media_as_bytes_by_header(stranger, server, pictures):
    options = with_media(server, "bytes")
    info = stranger.get_flight_info(BY_COMMAND(b"select image from wire_pictures order by id"), options)
    assert info.schema.field("image").metadata[b"pxt:media"] == b"bytes"
    assert read(stranger, info, options)["image"].to_pylist() == [*(file.read_bytes() for file in pictures), None]


def test_media_as_thumbnails(stranger, server, pictures):
    options = with_media(server, "thumbnail:64")
    sent = stranger.do_get(fl.Ticket(b"select image from wire_pictures order by id"), options).read_all()["image"].to_pylist()
    sizes = [Image.open(io.BytesIO(value)).size for value in sent if value is not None]
    assert sizes == [(64, 48), (64, 48)]
    assert sent[2] is None


def test_the_mode_of_a_body_goes_before_the_header(stranger, server, pictures):
    body = json.dumps({"sql": "select image from wire_pictures where id = 0", "media": "bytes"}).encode()
    sent = stranger.do_get(fl.Ticket(body), with_media(server, "thumbnail:64")).read_all()
    assert sent["image"].to_pylist() == [pictures[0].read_bytes()]


@pytest.mark.parametrize("mode", ["thumbnail:0", "thumbnail:99999", "thumbnail:", "path", "url:1", "thumbnail:-1"])
def test_a_media_mode_that_is_none(stranger, server, pictures, mode):
    with pytest.raises(fl.FlightError) as caught:
        stranger.get_flight_info(BY_PATH("wire_pictures"), with_media(server, mode))
    assert code_of(caught) == "INVALID_ARGUMENT"


# Tickets are pinned to a version


def test_a_ticket_reads_the_same_rows_while_the_table_changes(stranger, as_owner, make_table, pxt):
    table = make_table({"id": pxt.Int, "v": pxt.Int}, [{"id": i, "v": i} for i in range(50)], primary_key="id")
    name = table.get_metadata()["name"]
    info = stranger.get_flight_info(BY_COMMAND(f"select id, v from {name} order by id".encode()), as_owner)
    first = read(stranger, info, as_owner)
    changes = (
        lambda: table.insert([{"id": 100, "v": 100}]),
        lambda: table.update({"v": -1}, where=table.id < 10),
        lambda: table.delete(where=table.id >= 40),
    )
    for change in changes:
        change()
        assert read(stranger, info, as_owner).equals(first)
    fresh = stranger.do_get(fl.Ticket(f"select count(*) as n, min(v) as low from {name}".encode()), as_owner).read_all()
    assert fresh.to_pylist() == [{"n": 40, "low": -1}]


def test_a_ticket_of_a_dropped_table(stranger, as_owner, make_table, pxt):
    name = make_table({"id": pxt.Int}, [{"id": 1}]).get_metadata()["name"]
    info = stranger.get_flight_info(BY_PATH(name), as_owner)
    pxt.drop_table(name)
    with pytest.raises(fl.FlightError) as caught:
        read(stranger, info, as_owner)
    assert code_of(caught) == "ticket_stale"


def test_a_ticket_outlives_its_prepared_statement(stranger, as_owner, films):
    request = messages.ActionCreatePreparedStatementRequest(query=f"select count(*) as n from {films}")
    (result,) = stranger.do_action(fl.Action("CreatePreparedStatement", messages.pack_any(request)), as_owner)
    handle = messages.unpack_any(result.body.to_pybytes()).prepared_statement_handle
    command = messages.pack_any(messages.CommandPreparedStatementQuery(prepared_statement_handle=handle))
    info = stranger.get_flight_info(BY_COMMAND(command), as_owner)
    close = messages.ActionClosePreparedStatementRequest(prepared_statement_handle=handle)
    assert list(stranger.do_action(fl.Action("ClosePreparedStatement", messages.pack_any(close)), as_owner)) == []
    assert read(stranger, info, as_owner).to_pylist() == [{"n": 100}]


# What is not served says so


NOT_SERVED = {
    "update": messages.CommandStatementUpdate(query="delete from wire_films"),
    "ingest": messages.CommandStatementIngest(table="wire_films"),
}


@pytest.mark.parametrize("message", NOT_SERVED.values(), ids=NOT_SERVED)
def test_commands_that_are_not_served(stranger, as_owner, message):
    command = messages.pack_any(message)
    for ask in (stranger.get_flight_info, lambda d, o: stranger.do_get(fl.Ticket(d.command), o).read_all()):
        with pytest.raises(fl.FlightError, match=f"UNSUPPORTED_OPERATION: {type(message).__name__} is not served"):
            ask(BY_COMMAND(command), as_owner)


def test_do_exchange_and_unknown_actions(stranger, as_owner):
    writer, reader = stranger.do_exchange(BY_COMMAND(b"x"), as_owner)
    # Reading tells, or closing: whichever comes first.
    with pytest.raises(fl.FlightError, match="UNSUPPORTED_OPERATION: DoExchange is not served"), writer:
        reader.read_all()
    with pytest.raises(fl.FlightError, match="UNSUPPORTED_OPERATION: There is no action drop_everything"):
        list(stranger.do_action(fl.Action("drop_everything", b""), as_owner))


# Streams that end early


@pytest.mark.parametrize("leave", ["cancel", "close"])
def test_a_stream_that_is_left_gives_its_connection_back(server, as_owner, long_table, busy_backends, soon, leave):
    with fl.connect(server.flight_uri) as client:
        reader = client.do_get(fl.Ticket(f"select id, text from {long_table}".encode()), as_owner)
        assert reader.read_chunk().data.num_rows > 0
        assert busy_backends()
        if leave == "cancel":
            reader.cancel()
        del reader
    soon(lambda: not busy_backends())
    with fl.connect(server.flight_uri) as client:
        rows = client.do_get(fl.Ticket(f"select count(*) as n from {long_table}".encode()), as_owner).read_all()
    assert rows.to_pylist() == [{"n": 4000}]


def test_a_finished_stream_gives_its_connection_back(stranger, as_owner, long_table, busy_backends, soon):
    assert stranger.do_get(fl.Ticket(f"select id, text from {long_table}".encode()), as_owner).read_all().num_rows == 4000
    soon(lambda: not busy_backends())


def test_batches_stay_below_the_limits_of_clients(stranger, as_owner, long_table):
    sizes = [chunk.data.nbytes for chunk in stranger.do_get(fl.Ticket(f"select * from {long_table}".encode()), as_owner)]
    assert len(sizes) > 4
    assert max(sizes) <= 2 << 20


def test_many_clients_at_once(server, as_owner, films):
    def ask(thread):
        with fl.connect(server.flight_uri) as client:
            tables = [
                client.do_get(fl.Ticket(f"select id from {films} where id >= {thread} and id < {thread + i}".encode()), as_owner).read_all()
                for i in range(10)
            ]
        return [sorted(table["id"].to_pylist()) for table in tables]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert answers == [[list(range(thread, thread + i)) for i in range(10)] for thread in range(8)]


def test_json_as_the_type_of_arrow(stranger, server, make_table, pxt):
    name = make_table({"id": pxt.Int, "j": pxt.Json | None}, [{"id": 0, "j": {"a": [1, None]}}, {"id": 1, "j": None}]).get_metadata()[
        "name"
    ]
    ticket = fl.Ticket(f"select id, j from {name} order by id")
    key = (b"authorization", f"Bearer {server.key}".encode())
    for sent, expected in ((None, pa.utf8()), (b"utf8", pa.utf8()), (b"arrow", pa.json_())):
        options = fl.FlightCallOptions(headers=[key, *([] if sent is None else [(b"x-pxt-json", sent)])])
        answer = stranger.do_get(ticket, options).read_all()
        assert answer.schema.field("j").type == expected
        assert stranger.get_flight_info(fl.FlightDescriptor.for_command(ticket.ticket), options).schema == answer.schema
        assert answer["j"].cast(pa.utf8()).to_pylist() == ['{"a": [1, null]}', None]
    with pytest.raises(fl.FlightServerError, match="x-pxt-json is utf8 or arrow"):
        stranger.do_get(ticket, fl.FlightCallOptions(headers=[key, (b"x-pxt-json", b"bson")])).read_all()


def test_a_computed_column_says_so(stranger, as_owner, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 0}])
    table.add_computed_column(next=table.id + 1)
    schema = stranger.do_get(fl.Ticket(f"select * from {table.get_metadata()['name']}"), as_owner).read_all().schema
    assert [(field.metadata or {}).get(b"pxt:computed") for field in schema] == [None, b"true"]
