"""What the benchmarks make of their samples: bounds, lines, and a page that names whoever did not run."""

import json

import pytest

from benchmarks.gates import Gate
from benchmarks.page import Run
from benchmarks.report import Part, latency_lines, read_lines
from benchmarks.rounds import Outcome, Sample

MACHINE = {
    "cpu": "Some CPU",
    "cores": 2,
    "memory_gib": 8.0,
    "system": "Linux x86_64",
    "versions": {"pxt-flight": "1.2.3", "roapi": "not installed"},
    "load_before": [0.25, 0.5, 0.75],
    "load_after": [1.5, 1.0, 0.9],
    "quiet": True,
}


def samples(**walls: list[float]) -> Outcome:
    return Outcome({name: [Sample(wall, wall / 2) for wall in found] for name, found in walls.items()})


@pytest.mark.parametrize(
    ("gate", "verdict", "failed"),
    [
        (Gate("g", 20.0, 20.0, at_least=True), "PASS", False),
        (Gate("g", 19.9, 20.0, at_least=True), "FAIL", True),
        (Gate("g", 15.0, 15.0), "PASS", False),
        (Gate("g", 15.1, 15.0), "FAIL", True),
        (Gate("g", 15.1, 15.0, unjudged="the machine was not quiet"), "INFO", False),
        (Gate("g", 1.0, 15.0, unjudged="the machine was not quiet"), "INFO", False),
        (Gate("g", 20.0, 20.0, at_least=True, aim=35), "PASS", False),
    ],
)
def test_a_gate_fails_the_run_only_where_it_is_judged(gate, verdict, failed):
    assert (gate.verdict, gate.failed) == (verdict, failed)
    assert str(gate).startswith(verdict)


def test_a_gate_says_its_value_its_bound_its_aim_and_why_it_is_not_judged():
    assert str(Gate("ratio", 27.5, 20, at_least=True, aim=35)) == "PASS  ratio: 27.50, at least 20 (aim 35)"
    assert str(Gate("ms", 27.5, 15, unjudged="only a smoke")) == "INFO  ms: 27.50, at most 15; not judged: only a smoke"


def test_a_line_of_reading_compares_inside_of_each_round():
    outcome = samples(slow=[10.0, 40.0, 10.0], limit=[0.5, 1.0, 1.0], us=[1.0, 2.0, 2.0])
    slow, limit, us = read_lines(outcome, 1000, ends=dict.fromkeys(outcome.samples, "polars"), slow="slow", limit="limit")
    assert us["wall_median_s"] == 2.0
    assert us["wall_min_s"] == 1.0
    assert us["cpu_median_s"] == 1.0
    assert us["rows_per_s"] == 500
    assert us["times_faster_than_local"] == 10.0
    assert us["times_the_raw_limit"] == 2.0
    assert us["rounds"] == [{"wall": 1.0, "cpu": 0.5}, {"wall": 2.0, "cpu": 1.0}, {"wall": 2.0, "cpu": 1.0}]
    assert (slow["times_faster_than_local"], limit["times_the_raw_limit"]) == (1.0, 1.0)


def test_where_the_slow_rival_did_not_run_nobody_is_faster_than_it():
    outcome = samples(limit=[1.0], us=[1.0])
    lines = read_lines(outcome, 10, ends={"limit": "polars", "us": "polars"}, slow="slow", limit="limit")
    assert [line["times_faster_than_local"] for line in lines] == [None, None]


def test_a_line_of_latency_has_percentiles_in_milliseconds():
    (line,) = latency_lines(samples(us=[value / 1000 for value in range(1, 101)]))
    assert (line["runs"], line["wall_p50_ms"], line["wall_p95_ms"], line["wall_min_ms"]) == (100, 50.0, 95.0, 1.0)


def test_a_part_shows_its_lines_and_names_whoever_did_not_run():
    part = Part("Reading", [{"contender": "us", "rows": 1000, "ratio": None, "ms": 0.25, "rounds": [1, 2]}], {"them": "not installed"})
    assert part.markdown() == (
        "| contender | rows  | ratio | ms    |\n| --------- | ----- | ----- | ----- |\n| us        | 1,000 | -     | 0.250 |\n\n"
        "- not run: them: not installed"
    )
    assert Part("Reading", [], {"them": "not installed"}).markdown() == "- not run: them: not installed"


def test_the_page_and_the_file_hold_machine_settings_parts_and_bounds(tmp_path):
    parts = {
        "read_100": Part("Reading 100 rows", [{"contender": "us", "rounds": [{"wall": 1.0, "cpu": 0.5}]}], {"them": "ended with status 1"}),
        "point": Part("One row", [{"contender": "us", "wall_p50_ms": 2.0}]),
    }
    run = Run("read", MACHINE, {"sizes": (100,), "rounds": 5, "smoke": False}, parts, [Gate("ratio", 27.5, 20, at_least=True)])
    run.write(tmp_path / "new" / "folder")
    page = (tmp_path / "new" / "folder" / "read.md").read_text()
    for text in ("Some CPU, 2 cores, 8.0 GiB", "Load average 0.25 before the run (quiet), 1.5 after it", "5 rounds", "roapi not installed"):
        assert text in page
    assert page.index("# Reading\n") < page.index("## The run") < page.index("## Reading 100 rows") < page.index("## One row")
    assert "- not run: them: ended with status 1" in page
    assert page.endswith("- PASS  ratio: 27.50, at least 20\n")
    told = json.loads((tmp_path / "new" / "folder" / "read.json").read_text())
    assert told["machine"] == MACHINE
    assert told["parts"]["read_100"]["lines"][0]["rounds"] == [{"wall": 1.0, "cpu": 0.5}]
    assert told["parts"]["read_100"]["not_run"] == {"them": "ended with status 1"}
    assert told["gates"][0]["verdict"] == "PASS"
    assert "ended with status 1" in run.text()


def test_a_page_of_a_busy_machine_says_so():
    assert "(not quiet: latencies are not judged" in Run("read", MACHINE | {"quiet": False}, {"rounds": 1}, {}, []).page()
