"""Contenders measured in interleaved rounds, and what is made of the times.

Machines are noisy, and slow down and speed up by the minute. So everybody runs once per round, and two contenders are compared inside of
each round: the median of those ratios is what is reported, never the ratio of two medians.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One run: wall seconds, and CPU seconds of this process alone."""

    wall: float
    cpu: float


def measure(run: Callable[[], object]) -> Sample:
    """Time one run; what it answers is let go of outside of the time."""
    cpu, wall = time.process_time(), time.perf_counter()
    answer = run()
    sample = Sample(time.perf_counter() - wall, time.process_time() - cpu)
    del answer
    return sample


def interleave(contenders: Mapping[str, Callable[[], object]], *, rounds: int, collect_garbage: bool = True) -> dict[str, list[Sample]]:
    """Run each contender once to warm up, then all of them in order, `rounds` times.

    Args:
        contenders: by name.
        rounds: how many.
        collect_garbage: before each run, so that no contender pays for what another left behind; needless after small answers.

    Returns:
        The samples of each contender, one per round.

    Raises:
        ValueError: fewer than one round.
    """
    if rounds < 1:
        raise ValueError("at least one round")
    for run in contenders.values():
        run()
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            if collect_garbage:
                gc.collect()
            samples[name].append(measure(run))
    return samples


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """The median of the ratios inside of each round.

    Raises:
        ValueError: no rounds, or not as many of one as of the other.
    """
    ratios = [above / below for above, below in zip(numerators, denominators, strict=True)]
    if not ratios:
        raise ValueError("no rounds")
    return statistics.median(ratios)
