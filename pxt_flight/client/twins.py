"""Async twins of the client's methods: the same call, made by a thread."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def twin(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """The method as a coroutine: same arguments, answer and errors.

    Args:
        method: of a class whose object the async one has as `_sync`. Where the coroutine is cancelled, a write that was sent may still
            be done.
    """

    @wraps(method)
    async def awaited(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await in_thread(partial(method, self._sync, *args, **kwargs))

    return awaited


def stream_twin(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """The same of a method that reads a stream: where the coroutine is cancelled, the stream is too.

    Args:
        method: of a class that has `close`.
    """

    @wraps(method)
    async def awaited(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await in_thread(partial(method, self._sync, *args, **kwargs))
        except asyncio.CancelledError:
            self._sync.close()
            raise

    return awaited


async def in_thread(call: Callable[[], R], discard: Callable[[R], object] = lambda _: None) -> R:
    """What a call answers that a thread makes.

    Args:
        call: what blocks.
        discard: undoes an answer that comes when the caller was cancelled.
    """
    made = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        made.add_done_callback(lambda done: None if done.cancelled() or done.exception() else discard(done.result()))
        raise
