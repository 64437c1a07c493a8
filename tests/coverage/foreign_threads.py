"""A plugin of coverage.py: measures what gRPC calls on threads of its own.

Coverage traces threads that Python starts. Those of gRPC are not: each callback gets a new state of a thread, which nobody traces. So the
decorators at the border of the data plane begin the trace there.
"""

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_BORDER = "pxt_flight.flight.status"


def coverage_init(_registry: Any, _options: Any) -> None:
    """Called by coverage.py in every process that it measures."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _BORDER:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = _Border(spec.loader)
        return spec


class _Border(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.guarded = _traced(module.guarded)  # type: ignore[attr-defined]
        module.untraced = _traced(module.untraced)  # type: ignore[attr-defined]
        module.guarded_stream = _traced_stream(module.guarded_stream)  # type: ignore[attr-defined]


def _trace() -> None:
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())


def _traced(decorator: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        guarded = decorator(handler)

        @functools.wraps(handler)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            _trace()
            return guarded(*args, **kwargs)

        return wrapper

    return decorate


def _traced_stream(guard: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def wrapper(items: Iterator[Any]) -> Iterator[Any]:
        stream = guard(items)
        while True:
            _trace()  # each batch may be asked for on another thread
            try:
                item = next(stream)
            except StopIteration:
                return
            yield item

    return wrapper
