"""Bounds that measured values must keep."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """A bound that a measured value must keep.

    Attributes:
        name: what is measured.
        value: what was measured.
        bound: what it must keep.
        at_least: whether the bound is a floor; else it is a ceiling.
        aim: what we should like it to be; it decides nothing.
        unjudged: why this run says nothing about it; empty where the run fails with it.
    """

    name: str
    value: float
    bound: float
    at_least: bool = False
    aim: float | None = None
    unjudged: str = ""

    @property
    def passed(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def failed(self) -> bool:
        """Whether the run fails with it."""
        return not (self.passed or self.unjudged)

    @property
    def verdict(self) -> str:
        """`PASS`, `FAIL`, or `INFO` where it is not judged."""
        return "INFO" if self.unjudged else "PASS" if self.passed else "FAIL"

    def __str__(self) -> str:
        aim = "" if self.aim is None else f" (aim {self.aim:g})"
        why = f"; not judged: {self.unjudged}" if self.unjudged else ""
        return f"{self.verdict}  {self.name}: {self.value:.2f}, {'at least' if self.at_least else 'at most'} {self.bound:g}{aim}{why}"
