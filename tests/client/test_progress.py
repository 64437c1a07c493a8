"""When a pull shows a bar, and what is on it."""

import io

import pyarrow as pa
import pytest

from pxt_flight.client import progress
from pxt_flight.client.progress import Progress, WriteProgress, is_interactive, is_wanted


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("PXT_FLIGHT_PROGRESS", raising=False)
    monkeypatch.setattr("sys.stderr", io.StringIO())


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves; answers how."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


BATCH = pa.record_batch({"id": pa.array(range(1000))})


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("argument", [None, False, True])
@pytest.mark.parametrize("variable", [None, "", "0", "off", "1", "TRUE", "perhaps"])
def test_who_decides(monkeypatch, terminal, argument, variable):
    monkeypatch.setattr("sys.stderr", Terminal() if terminal else io.StringIO())
    if variable is not None:
        monkeypatch.setenv("PXT_FLIGHT_PROGRESS", variable)
    expected = argument if argument is not None else {"0": False, "off": False, "1": True, "TRUE": True}.get(variable, terminal)
    assert is_wanted(argument) is expected


def test_the_kernel_of_a_notebook_is_interactive(monkeypatch):
    import IPython

    assert not is_interactive()
    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    assert is_interactive()


def test_no_stderr_at_all(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert not is_interactive()


def test_a_short_pull_shows_nothing(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress() as bar:
        bar.add(BATCH)
        clock(0.9)
        bar.add(BATCH)
        bar.draw()
    assert terminal.getvalue() == ""


def test_a_long_pull_shows_rows_and_megabytes(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress() as bar:
        for _ in range(500):
            bar.add(BATCH)
        clock(2.0)
        bar.draw()
        clock(2.0)
        bar.add(BATCH)
        bar._bar.refresh()
    assert "501k rows [00:0" in terminal.getvalue()
    assert "1.0 MB/s" in terminal.getvalue()  # 501 batches of 8,000 bytes in 4 s
    assert terminal.getvalue().endswith("\r")  # it leaves no line


def test_in_a_notebook_it_is_not_on_stderr(monkeypatch, clock):
    """Which is painted red there."""
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    outputs = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stdout", outputs[0])
    monkeypatch.setattr("sys.stderr", outputs[1])
    with Progress() as bar:
        clock(2.0)
        bar.add(BATCH)
        bar._bar.refresh()
    assert "1.00k rows" in outputs[0].getvalue()
    assert outputs[1].getvalue() == ""


def test_a_hidden_bar_counts_nothing(clock):
    with Progress(False) as bar:
        clock(5.0)
        bar.add(BATCH)
        bar.draw()
    assert bar._rows == 0


def test_the_bar_ends_with_the_pull(clock):
    with Progress(True) as bar:
        clock(2.0)
        bar.draw()
        shown = bar._bar
        assert not shown.disable
    assert shown.disable  # tqdm's word for a closed bar


@pytest.mark.parametrize("take", ["to_arrow", "to_polars", "to_pandas", "to_reader"])
def test_every_form_takes_the_switch(db, long_lines, monkeypatch, take):
    asked = []
    monkeypatch.setattr("pxt_flight.client.result.Progress", lambda shown: asked.append(shown) or Progress(False))
    for arguments in ({}, {"progress": True}, {"progress": False}):
        taken = getattr(db.sql("select id from client_lines limit 5"), take)(**arguments)
        if take == "to_reader":
            assert taken.read_all().num_rows == 5
    assert asked == [False if take == "to_reader" else None, True, False]


# Writes


@pytest.mark.parametrize(("total", "shown"), [(4000, "1.00k/4.00k rows"), (None, "1.00k rows")])
def test_a_long_write_shows_what_is_sent_and_then_what_is_written(monkeypatch, clock, total, shown):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with WriteProgress(None, total) as bar:
        bar.draw()
        assert terminal.getvalue() == ""
        clock(2.0)
        bar.sent(1000, 5_000_000)
        bar._bar.refresh()
        assert shown in terminal.getvalue()
        assert "sent, 5.0 MB" in terminal.getvalue()
        clock(2.0)
        bar.written(3000, 4000)
        bar._bar.refresh()
    assert "written, 5.0 MB" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_whoever_is_called_sees_no_bar(monkeypatch, clock):
    terminal, told = Terminal(), []
    monkeypatch.setattr("sys.stderr", terminal)
    with WriteProgress(lambda *counts: told.append(counts), None) as bar:
        clock(2.0)
        bar.sent(1000, 8000)
        bar.draw()
        bar.written(10, 1000)
    assert told == [(1000, None), (10, 1000)]
    assert terminal.getvalue() == ""
