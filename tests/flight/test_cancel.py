"""Queries that are stopped, before and after their first batch: Postgres, asked itself, works on them no more."""

import threading

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow.flight as fl
import pytest

from pxt_flight.flight import messages
from pxt_flight.flight.messages import CancelStatus


@pytest.fixture(scope="module")
def texts(pxt):
    """16 MB of text."""
    pxt.create_table("wire_cancel", {"id": pxt.Int, "text": pxt.String}).insert([{"id": i, "text": "x" * 4000} for i in range(4000)])
    return "wire_cancel"


@pytest.fixture(scope="module", params=["rows at once", "no row before the end"])
def slow(texts, request):
    """Seconds of work: three rows come at once, but no full batch; or nothing comes at all, not even the beginning of a stream."""
    if request.param == "no row before the end":
        return f"select count(*) from {texts} a, {texts} b where a.text like '%q1%' or b.text like '%q2%'"
    return f"select id, text from {texts} where id < 3 or " + " or ".join(f"text like '%q{i}%'" for i in range(150))


@pytest.fixture
def working(postgres):
    """Whether Postgres works on a statement of these tests."""

    def ask():
        query = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%q1%%q2%'"
        ((count,),) = postgres.execute(query).fetchall()
        return count > 0

    return ask


class Call(threading.Thread):
    """A call that waits, and how it ended."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self._work = work
        self.fault = None
        self.start()

    def run(self):
        try:
            self._work()
        except Exception as fault:  # noqa: BLE001  # whatever it is, the test looks at it
            self.fault = fault

    def ended_with(self, kind):
        self.join(30)
        assert not self.is_alive()
        assert isinstance(self.fault, kind)
        return self.fault


def framed(message):
    """The one message of a CancelFlightInfoRequest or RenewFlightEndpointRequest: field 1."""
    size, length = len(message), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return b"\x0a" + length + bytes([size]) + message


def cancel_flight_info(client, options, info):
    (result,) = client.do_action(fl.Action("CancelFlightInfo", framed(info.serialize())), options)
    return messages.decode(messages.CancelFlightInfoResult, result.body.to_pybytes()).status


def cancel_query(client, options, info):
    request = messages.pack_any(messages.ActionCancelQueryRequest(info=info.serialize()))
    (result,) = client.do_action(fl.Action("CancelQuery", request), options)
    return messages.unpack_any(result.body.to_pybytes()).result


# Before the first batch


def test_adbc_cancel_before_the_first_batch(adbc, slow, working, soon):
    with adbc.cursor() as cursor:
        call = Call(lambda: cursor.execute(slow).fetchall())
        soon(working)
        cursor.adbc_cancel()
        soon(lambda: not working(), 2)
        call.ended_with(adbc_driver_manager.OperationalError)


def test_a_deadline_before_the_first_batch(server, stranger, slow, working, soon):
    options = fl.FlightCallOptions(timeout=1.0, headers=[(b"authorization", f"Bearer {server.key}".encode())])
    call = Call(lambda: stranger.do_get(fl.Ticket(slow.encode()), options).read_all())
    soon(working)
    call.ended_with(fl.FlightTimedOutError)
    soon(lambda: not working(), 2)


def test_adbc_deadline(server, slow, working, soon):
    options = {
        "adbc.flight.sql.authorization_header": f"Bearer {server.key}",
        "adbc.flight.sql.rpc.timeout_seconds.fetch": "1",
        "adbc.flight.sql.rpc.timeout_seconds.query": "1",
    }
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        call = Call(lambda: cursor.execute(slow).fetchall())
        soon(working)
        call.ended_with(adbc_driver_manager.Error)
        soon(lambda: not working(), 2)


@pytest.mark.parametrize("cancel", [cancel_flight_info, cancel_query])
def test_the_actions_cancel_before_the_first_batch(stranger, as_owner, slow, working, soon, cancel):
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command(slow.encode()), as_owner)
    call = Call(lambda: stranger.do_get(info.endpoints[0].ticket, as_owner).read_all())
    soon(working)
    assert cancel(stranger, as_owner, info) == CancelStatus.CANCELLED
    soon(lambda: not working(), 2)
    assert "cancelled: The query was cancelled" in str(call.ended_with(fl.FlightServerError))
    assert cancel(stranger, as_owner, info) == CancelStatus.NOT_CANCELLABLE


# After it


def test_adbc_cancel_after_the_first_batch(adbc, texts, busy_backends, soon):
    with adbc.cursor() as cursor:
        reader = cursor.execute(f"select id, text from {texts}").fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        assert busy_backends()
        cursor.adbc_cancel()
        with pytest.raises(Exception, match=r"(?i)cancel"):
            reader.read_all()
    soon(lambda: not busy_backends())


def test_adbc_close_of_the_reader(adbc, texts, busy_backends, soon):
    with adbc.cursor() as cursor:
        reader = cursor.execute(f"select id, text from {texts}").fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        reader.close()
    soon(lambda: not busy_backends())


def test_pyarrow_reader_cancel(stranger, as_owner, texts, busy_backends, soon):
    reader = stranger.do_get(fl.Ticket(f"select id, text from {texts}".encode()), as_owner)
    assert reader.read_chunk().data.num_rows > 0
    reader.cancel()
    soon(lambda: not busy_backends())


def test_the_action_cancels_after_the_first_batch(stranger, as_owner, texts, busy_backends, soon):
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command(f"select id, text from {texts}".encode()), as_owner)
    reader = stranger.do_get(info.endpoints[0].ticket, as_owner)
    assert reader.read_chunk().data.num_rows > 0
    assert cancel_flight_info(stranger, as_owner, info) == CancelStatus.CANCELLED
    with pytest.raises(fl.FlightServerError, match="cancelled: The query was cancelled"):
        reader.read_all()
    soon(lambda: not busy_backends())


# How a call is stopped


@pytest.fixture
def stopped():
    """What `stop` was called for."""
    return []


@pytest.fixture
def make_cancellation(pxt):
    from pxt_flight.flight.streams import Cancellation

    return Cancellation


def test_work_that_begins_after_the_cancelling_is_stopped_at_once(make_cancellation, stopped):
    call = make_cancellation(lambda: True)
    call.notice()
    assert call.reason.code == "cancelled"
    call.stop_with(lambda: stopped.append("late"))
    assert stopped == ["late"]


def test_nothing_is_stopped_or_asked_after_the_end(make_cancellation, stopped):
    call = make_cancellation(lambda: stopped.append("asked"))
    call.stop_with(lambda: stopped.append("work"))
    call.end()
    call.notice()
    call.request(ValueError())
    assert (stopped, call.reason) == ([], None)


def test_work_is_stopped_once(make_cancellation, stopped):
    call = make_cancellation(lambda: True)
    call.stop_with(lambda: stopped.append("work"))
    call.notice()
    call.notice()
    assert stopped == ["work"]


# The actions


def test_what_does_not_run_cannot_be_cancelled(stranger, as_owner, films):
    info = stranger.get_flight_info(fl.FlightDescriptor.for_path(films), as_owner)
    assert cancel_flight_info(stranger, as_owner, info) == CancelStatus.NOT_CANCELLABLE
    assert stranger.do_get(info.endpoints[0].ticket, as_owner).read_all().num_rows == 100


def test_a_renewed_endpoint_reads_the_same_version(stranger, as_owner, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 1}])
    info = stranger.get_flight_info(fl.FlightDescriptor.for_path(table.get_metadata()["name"]), as_owner)
    table.insert([{"id": 2}])
    (result,) = stranger.do_action(fl.Action("RenewFlightEndpoint", framed(info.endpoints[0].serialize())), as_owner)
    renewed = fl.FlightEndpoint.deserialize(result.body.to_pybytes())
    assert renewed.expiration_time.as_py() >= info.endpoints[0].expiration_time.as_py()
    assert renewed.ticket.ticket != info.endpoints[0].ticket.ticket
    assert stranger.do_get(renewed.ticket, as_owner).read_all().to_pylist() == [{"id": 1}]


@pytest.mark.parametrize("name", ["CancelFlightInfo", "CancelQuery", "RenewFlightEndpoint"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"\x0a\x02ab", b"\x0a\xff\xff\xff\xff\x0f", framed(fl.FlightEndpoint(b"select 1", []).serialize())]
)
def test_damaged_requests(stranger, as_owner, name, body):
    with pytest.raises(fl.FlightServerError, match=r"INVALID_ARGUMENT: |ticket_invalid: ") as caught:
        list(stranger.do_action(fl.Action(name, body), as_owner))
    assert "Traceback" not in str(caught.value)
