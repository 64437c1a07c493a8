"""What is printed and written of a run."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.rounds import Outcome, Sample, median_ratio, percentile

_NOT_SHOWN = ("rounds",)


@dataclass
class Part:
    """What one part of a run measured.

    Attributes:
        title: what it is.
        lines: one per contender.
        not_run: why other contenders have no line.
    """

    title: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """Its lines as a table, and what did not run below it."""
        missing = [f"- not run: {name}: {why}" for name, why in self.not_run.items()]
        return "\n\n".join(text for text in (table(self.lines), "\n".join(missing)) if text)


def ratios(samples: Mapping[str, Sequence[Sample]], name: str, rival: str) -> float:
    """How many times the wall time of its rival a contender takes: the median of the ratios inside of each round."""
    return median_ratio([sample.wall for sample in samples[name]], [sample.wall for sample in samples[rival]])


def read_lines(outcome: Outcome, rows: int, *, ends: Mapping[str, str], slow: str, limit: str) -> list[dict[str, Any]]:
    """One line per contender.

    Args:
        outcome: of the rounds.
        rows: how many rows each run reads.
        ends: what each contender ends in.
        slow: the rival that everybody is to be faster than; it may have no samples.
        limit: the rival that nobody can be faster than.
    """
    samples = outcome.samples
    return [
        {
            "contender": name,
            "ends_in": ends[name],
            "wall_median_s": statistics.median(sample.wall for sample in found),
            "wall_min_s": min(sample.wall for sample in found),
            "cpu_median_s": statistics.median(sample.cpu for sample in found),
            "rows_per_s": round(rows / statistics.median(sample.wall for sample in found)),
            "times_faster_than_local": ratios(samples, slow, name) if slow in samples else None,
            "times_the_raw_limit": ratios(samples, name, limit),
            "rounds": [asdict(sample) for sample in found],
        }
        for name, found in samples.items()
    ]


def latency_lines(outcome: Outcome) -> list[dict[str, Any]]:
    """One line per contender: half of its runs took at most `wall_p50_ms`, 95 of 100 at most `wall_p95_ms`."""
    walls = {name: [sample.wall * 1e3 for sample in found] for name, found in outcome.samples.items()}
    return [
        {
            "contender": name,
            "runs": len(found),
            "wall_p50_ms": percentile(found, 0.5),
            "wall_p95_ms": percentile(found, 0.95),
            "wall_min_ms": min(found),
        }
        for name, found in walls.items()
    ]


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines as a Markdown table, without what each round took; nothing where there are none."""
    if not lines:
        return ""
    names = [name for name in lines[0] if name not in _NOT_SHOWN]
    shown = [[_shown(line[name]) for name in names] for line in lines]
    widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
    ruled = [names, ["-" * width for width in widths], *shown]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in ruled)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
