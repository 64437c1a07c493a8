"""The benchmarks' statistics: who runs when, and how two contenders are compared."""

import gc
from collections.abc import Iterator

import pytest

from benchmarks.rounds import NotRunError, forgiven, interleave, measure, median_ratio, percentile


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> Iterator[None]:
    """Keep the collections between runs to what these tests make: all that earlier tests left took 3 s to go through, 30 times."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_the_median_of_in_round_ratios_is_not_the_ratio_of_medians():
    # The machine slows down by 100 in the second half; inside of each round the first is 2, 3, 2, 5 times the second.
    first, second = [2.0, 6.0, 200.0, 1000.0], [1.0, 2.0, 100.0, 200.0]
    assert median_ratio(first, second) == 2.5
    assert median_ratio([1.0, 20.0, 9.0], [1.0, 2.0, 3.0]) == 3.0  # the ratio of the medians would be 4.5


def test_one_bad_round_does_not_move_the_ratio():
    assert median_ratio([4.0, 4.0, 4000.0], [2.0, 2.0, 2.0]) == 2.0


def test_rounds_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="longer"):
        median_ratio([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="no rounds"):
        median_ratio([], [])


def test_contenders_run_once_to_warm_up_and_then_in_turns():
    ran: list[str] = []
    outcome = interleave({name: lambda name=name: ran.append(name) for name in "abc"}, rounds=2)
    assert "".join(ran) == "abc" * 3
    assert {name: len(found) for name, found in outcome.samples.items()} == {"a": 2, "b": 2, "c": 2}
    assert outcome.not_run == {}


def test_contenders_that_ran_already_need_no_warm_up():
    ran: list[str] = []
    outcome = interleave({name: lambda name=name: ran.append(name) for name in "ab"}, rounds=2, warm_up=False)
    assert "".join(ran) == "ab" * 2
    assert [len(found) for found in outcome.samples.values()] == [2, 2]


@pytest.mark.parametrize("failing_turn", [1, 3])
def test_a_contender_that_cannot_run_is_named_and_left_out_of_all_rounds(failing_turn):
    ran: list[str] = []

    def failing() -> None:
        ran.append("b")
        if ran.count("b") == failing_turn:
            raise NotRunError("out of luck")

    outcome = interleave({"a": lambda: ran.append("a"), "b": failing, "c": lambda: ran.append("c")}, rounds=3)
    assert list(outcome.samples) == ["a", "c"]
    assert [len(found) for found in outcome.samples.values()] == [3, 3]
    assert outcome.not_run == {"b": "out of luck"}
    assert ran.count("b") == failing_turn


def test_a_rival_may_fail_in_any_way():
    outcome = interleave({"a": lambda: None, "b": forgiven(lambda: {}["no\nhow"])}, rounds=1)
    assert list(outcome.samples) == ["a"]
    assert outcome.not_run == {"b": "KeyError: 'no\\nhow'"}
    assert forgiven(lambda key, *, plus: key + plus)(1, plus=2) == 3


def test_only_the_first_line_of_a_long_reason_is_told():
    def fails() -> None:
        raise ValueError("first " + "x" * 500 + "\nsecond")

    with pytest.raises(NotRunError) as told:
        forgiven(fails)()
    assert str(told.value) == "ValueError: first " + "x" * 194


def test_any_other_failure_ends_the_run():
    with pytest.raises(ZeroDivisionError):
        interleave({"a": lambda: 1 // 0}, rounds=1)


def test_what_a_run_left_open_is_settled_after_each_run_the_warm_up_included():
    settled: list[str] = []
    interleave({"a": lambda: "stream"}, rounds=2, settle=settled.append)
    assert settled == ["stream"] * 3


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10.0), (0.95, 19.0), (0.96, 20.0), (1, 20.0), (0.001, 1.0)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share, expected):
    assert percentile([float(value) for value in range(20, 0, -1)], share) == expected


def test_a_percentile_of_nothing_is_refused():
    for values, share in (([], 0.5), ([1.0], 0), ([1.0], 1.1)):
        with pytest.raises(ValueError, match="no percentile"):
            percentile(values, share)


def test_no_round_is_refused():
    with pytest.raises(ValueError, match="at least one round"):
        interleave({"a": lambda: None}, rounds=0)


def test_a_run_takes_the_time_it_takes():
    sample = measure(lambda: sum(range(200_000)))
    assert sample.wall > 0
    assert sample.cpu > 0
