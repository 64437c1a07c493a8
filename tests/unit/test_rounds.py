"""The benchmarks' statistics: who runs when, and how two contenders are compared."""

import pytest

from benchmarks.rounds import interleave, measure, median_ratio


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
    samples = interleave({name: lambda name=name: ran.append(name) for name in "abc"}, rounds=2)
    assert "".join(ran) == "abc" * 3
    assert {name: len(found) for name, found in samples.items()} == {"a": 2, "b": 2, "c": 2}


def test_no_round_is_refused():
    with pytest.raises(ValueError, match="at least one round"):
        interleave({"a": lambda: None}, rounds=0)


def test_a_run_takes_the_time_it_takes():
    sample = measure(lambda: sum(range(200_000)))
    assert sample.wall > 0
    assert sample.cpu > 0
