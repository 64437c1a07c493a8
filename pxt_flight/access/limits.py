"""How often a key may call: token buckets in the memory of a process."""

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from pxt_flight.errors import error
from pxt_flight.public_api import RateLimit

_BUCKETS = 16_384  # that are kept, 200 bytes each: the one that was asked for longest ago is forgotten, and is full then
_ROUNDING = 1e-6  # of sums of floats: who waits for as long as it was told finds its call


@dataclass(frozen=True)
class Allowance:
    """What is left of a limit.

    Attributes:
        remaining: calls that may be made at once.
        reset: whole seconds until all of them may be made again.
        retry_after: whole seconds until the next one may be made; 0 where it may now.
    """

    remaining: int
    reset: int
    retry_after: int


class RateLimits:
    """Token buckets, one for each caller of each operation that has a limit. Each process has its own.

    Args:
        clock: seconds that only grow.
        buckets: at most so many are kept.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, buckets: int = _BUCKETS) -> None:
        self._clock = clock
        self._most = buckets
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # what was in each, and when; the last to be asked for is the last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: Hashable, limit: RateLimit) -> None:
        """Take one call out of the bucket of `who`, which holds `limit.count` and fills again in `limit.seconds`.

        Raises:
            RateLimitedError: `rate_limited`, it is empty; `where["retry_after"]` says for how many seconds.
        """
        with self._lock:
            now = self._clock()
            tokens = self._tokens(who, limit, now)
            left = _allowance(tokens, limit)
            self._buckets.pop(who, None)
            self._buckets[who] = (tokens - min(left.remaining, 1), now)
            if len(self._buckets) > self._most:
                del self._buckets[next(iter(self._buckets))]
        if not left.remaining:
            raise error(
                "rate_limited",
                f"This key may call this {limit.count} times in {limit.seconds} s.",
                hint=f"Try again in {left.retry_after} s.",
                where={"retry_after": left.retry_after},
            )

    def left(self, who: Hashable, limit: RateLimit) -> Allowance:
        """What is left in the bucket of `who`; nothing is taken."""
        with self._lock:
            return _allowance(self._tokens(who, limit, self._clock()), limit)

    def _tokens(self, who: Hashable, limit: RateLimit, now: float) -> float:
        tokens, at = self._buckets.get(who, (limit.count, now))
        return min(limit.count, tokens + (now - at) * limit.count / limit.seconds)


def _allowance(tokens: float, limit: RateLimit) -> Allowance:
    each = limit.seconds / limit.count
    remaining = int(tokens + _ROUNDING)
    wait = 0 if remaining else max(1, math.ceil((1 - tokens) * each - _ROUNDING))
    return Allowance(remaining, math.ceil((limit.count - tokens) * each - _ROUNDING), wait)
