"""What is printed and written of a run."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.rounds import Sample, median_ratio


@dataclass(frozen=True)
class Gate:
    """A bound that a measured value must keep.

    Attributes:
        name: what is measured.
        value: what was measured.
        bound: what it must keep.
        at_least: whether the bound is a floor; else it is a ceiling.
        decides: whether the run fails with it.
    """

    name: str
    value: float
    bound: float
    at_least: bool = False
    decides: bool = True

    @property
    def passed(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        verdict = ("PASS" if self.passed else "FAIL") if self.decides else "INFO"
        return f"{verdict}  {self.name}: {self.value:.2f}, {'at least' if self.at_least else 'at most'} {self.bound:g}"


def ratios(samples: Mapping[str, Sequence[Sample]], name: str, rival: str) -> float:
    """How many times the wall time of its rival a contender takes: the median of the ratios inside of each round."""
    return median_ratio([sample.wall for sample in samples[name]], [sample.wall for sample in samples[rival]])


def read_results(samples: Mapping[str, Sequence[Sample]], rows: int, *, slow: str, limit: str) -> list[dict[str, Any]]:
    """One line per contender.

    Args:
        samples: those of each contender, one per round.
        rows: how many rows each run reads.
        slow: the rival that everybody is to be faster than.
        limit: the rival that nobody can be faster than.
    """
    return [
        {
            "contender": name,
            "wall_median_s": statistics.median(sample.wall for sample in found),
            "wall_min_s": min(sample.wall for sample in found),
            "cpu_median_s": statistics.median(sample.cpu for sample in found),
            "rows_per_s": round(rows / statistics.median(sample.wall for sample in found)),
            "times_faster_than_local": ratios(samples, slow, name),
            "times_the_raw_limit": ratios(samples, name, limit),
            "rounds": [asdict(sample) for sample in found],
        }
        for name, found in samples.items()
    ]


def latency_results(samples: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """Half of the runs were faster than `wall_p50_ms`."""
    return [
        {
            "contender": name,
            "runs": len(found),
            "wall_p50_ms": statistics.median(sample.wall for sample in found) * 1e3,
            "wall_min_ms": min(sample.wall for sample in found) * 1e3,
        }
        for name, found in samples.items()
    ]


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Results as a Markdown table, without what each round took."""
    names = [name for name in results[0] if name != "rounds"]
    lines = [[_shown(result[name]) for name in names] for result in results]
    widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
    ruled = [names, ["-" * width for width in widths], *lines]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in ruled)


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON, its folder made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
