"""Waiting for what another process does: by asking, with a deadline, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], deadline: float = 20.0) -> T:
    """Ask `condition` until it answers something true, at most `deadline` seconds; answers that."""
    end = time.monotonic() + deadline
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {deadline} s"
        time.sleep(0.02)
    return answer
