"""One line of the doctor's report."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """What was looked at and what was found.

    Attributes:
        name: what was looked at, in a word or two.
        status: `ok`, `warn` (it works, or is not needed yet) or `fail` (it cannot work).
        message: what was found; never a key.
        hint: what to do about it.
    """

    name: str
    status: Status
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.status:<4}  {self.name}: {self.message}" + (f"\n      Hint: {self.hint}" if self.hint else "")
