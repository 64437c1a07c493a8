"""The rivals' processes: ready when their output says so, stopped however the run ends, and a reason where they cannot run."""

import os
import sys

import psutil
import pytest

from benchmarks.processes import running
from benchmarks.rounds import NotRunError

SERVES = "import os, time; print('listening on', 8123, 'as', os.getpid(), flush=True); time.sleep(600)"
READY = [r"listening on (\d+)", r"as (\d+)\n"]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_it_runs_as_long_as_the_context_and_its_lines_are_read(tmp_path):
    with running(python(SERVES), log=tmp_path / "log", ready=READY) as (port, pid):
        assert port == "8123"
        assert psutil.Process(int(pid)).ppid() == os.getpid()
    assert not psutil.pid_exists(int(pid))


def test_it_is_stopped_where_the_run_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), running(python(SERVES), log=tmp_path / "log", ready=READY) as found:
        raise ZeroDivisionError
    assert not psutil.pid_exists(int(found[1]))


def test_it_gets_its_environment_and_runs_beside_its_log(tmp_path):
    code = "import os; print('told', os.environ['BENCH_TOLD'], 'in', os.getcwd(), flush=True); input()"
    # its standard input is empty
    with (
        pytest.raises(NotRunError, match="EOFError"),
        running(python(code), log=tmp_path / "log", ready=["never"], environment={"BENCH_TOLD": "this"}),
    ):
        pass
    assert f"told this in {tmp_path}" in (tmp_path / "log").read_text()


def test_one_that_ends_at_its_start_says_why(tmp_path):
    with (
        pytest.raises(NotRunError, match="status 3: no such port"),
        running(python("print('no such port'); raise SystemExit(3)"), log=tmp_path / "log", ready=READY),
    ):
        pass


def test_one_that_never_gets_ready_is_stopped(tmp_path):
    with (
        pytest.raises(NotRunError, match=r"not ready after 1 s: listening on 8123") as refused,
        running(python(SERVES), log=tmp_path / "log", ready=["never (.)"], timeout=1),
    ):
        pass
    assert not psutil.pid_exists(int(str(refused.value).rpartition(" ")[2]))


def test_a_program_that_is_not_installed_is_told(tmp_path):
    with (
        pytest.raises(NotRunError, match=r"no-such-program cannot be started: No such file"),
        running([tmp_path / "no-such-program"], log=tmp_path / "log", ready=READY),
    ):
        pass
