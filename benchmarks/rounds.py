"""Contenders measured in interleaved rounds, and what is made of the times.

Machines are noisy, and slow down and speed up by the minute. So everybody runs once per round, and two contenders are compared inside of
each round: the median of those ratios is what is reported, never the ratio of two medians.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class NotRunError(Exception):
    """A contender cannot run here; the text says why."""


@dataclass(frozen=True)
class Sample:
    """One run: wall seconds, and CPU seconds of this process alone."""

    wall: float
    cpu: float


@dataclass
class Outcome:
    """What came of the rounds.

    Attributes:
        samples: those of each contender that ran to the end, one per round.
        not_run: why the others did not.
    """

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)


def forgiven(run: Callable[_P, _T]) -> Callable[_P, _T]:
    """The same, but whatever it raises becomes `NotRunError`: for a rival that a run can do without."""

    def forgiving(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return run(*args, **kwargs)
        except Exception as fault:
            text = str(fault).strip().partition("\n")[0][:200]
            raise NotRunError(f"{type(fault).__name__}: {text}") from fault

    return forgiving


def measure(run: Callable[[], Any], *, settle: Callable[[Any], object] | None = None) -> Sample:
    """Time one run; what it answers is let go of outside of the time.

    Args:
        run: what to time.
        settle: called afterwards with what `run` answered, to close what it left open.
    """
    cpu, wall = time.process_time(), time.perf_counter()
    answer = run()
    sample = Sample(time.perf_counter() - wall, time.process_time() - cpu)
    if settle:
        settle(answer)
    del answer
    return sample


def interleave(
    contenders: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    warm_up: bool = True,
    collect_garbage: bool = True,
    settle: Callable[[Any], object] | None = None,
) -> Outcome:
    """Run each contender once to warm up, then all of them in order, `rounds` times.

    Args:
        contenders: by name. One that raises `NotRunError` is left out from then on.
        rounds: how many.
        warm_up: whether to run each once beforehand; needless where they have run already.
        collect_garbage: before each run, so that no contender pays for what another left behind; needless after small answers.
        settle: called outside of the time with what each run answered, to close what it left open.

    Returns:
        The samples of each contender, one per round, and why others did not run.

    Raises:
        ValueError: fewer than one round.
    """
    if rounds < 1:
        raise ValueError("at least one round")
    outcome = Outcome({name: [] for name in contenders})
    for turn in range(0 if warm_up else 1, rounds + 1):
        for name in list(outcome.samples):
            if collect_garbage:
                gc.collect()
            try:
                sample = measure(contenders[name], settle=settle)
            except NotRunError as why:
                outcome.not_run[name] = str(why)
                del outcome.samples[name]
                continue
            if turn:
                outcome.samples[name].append(sample)
    return outcome


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """The median of the ratios inside of each round.

    Raises:
        ValueError: no rounds, or not as many of one as of the other.
    """
    ratios = [above / below for above, below in zip(numerators, denominators, strict=True)]
    if not ratios:
        raise ValueError("no rounds")
    return statistics.median(ratios)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank).

    Args:
        values: in any order.
        share: between 0 and 1; 0.95 for the 95th percentile.

    Raises:
        ValueError: no values, or a share outside of (0, 1].
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    # Not ceil(n * share): 0.95 * 20 is 19.000000000000004 in floating point.
    rank = next(rank for rank in range(1, len(values) + 1) if rank / len(values) >= share)
    return sorted(values)[rank - 1]
