"""The bar that a long pull shows: rows, and megabytes in a second."""

import os
import sys
import warnings
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

# Seconds: a shorter pull shows nothing.
DELAY = 1.0
_SWITCH = {"0": False, "false": False, "no": False, "off": False, "1": True, "true": True, "yes": True, "on": True}


class Progress:
    """Counts what arrives, and draws a bar once a pull lasts longer than a second. A context manager: the bar ends with it.

    Args:
        shown: True or False; None leaves it to PXT_FLIGHT_PROGRESS, and else to whether a person looks on (`is_interactive`).
    """

    def __init__(self, shown: bool | None = None) -> None:
        self._shown = is_wanted(shown)
        self._bar: Any = None
        self._rows = 0
        self._bytes = 0
        self._started = monotonic()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        if self._shown:
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
            self.draw()

    def draw(self) -> None:
        """Bring the bar up to now; tqdm itself draws at most ten times in a second."""
        if not self._shown or (elapsed := monotonic() - self._started) < DELAY:
            return
        if self._bar is None:
            self._bar = _bar()
            self._bar.start_t -= elapsed
        self._bar.set_postfix_str(f"{self._bytes / 1e6 / elapsed:.1f} MB/s", refresh=False)
        self._bar.update(self._rows - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


class WriteProgress:
    """The bar of a write, once it lasts longer than a second: the rows that are sent, then those that the server has written.

    Args:
        shown: as of `Progress`; or what is called with the rows and all of them (None where that is not known), for the rows that are sent
            and then, from the first on again, for those that are written.
        total: rows, None where that is not known.
    """

    def __init__(self, shown: bool | Callable[[int, int | None], object] | None, total: int | None) -> None:
        self._tell = shown if callable(shown) else None
        self._shown = is_wanted(None if callable(shown) else shown) and self._tell is None
        self._total = total
        self._bar: Any = None
        self._rows = 0
        self._bytes = 0
        self._phase = "sent"
        self._started = monotonic()

    def sent(self, rows: int, size: int) -> None:
        """Count one more batch that is on its way."""
        self._rows += rows
        self._bytes += size
        self._step(self._total)

    def written(self, rows: int, total: int) -> None:
        """The server has written so many, of so many."""
        self._phase, self._rows, self._total = "written", rows, total
        self._step(total)

    def draw(self) -> None:
        """Bring the bar up to now."""
        if not self._shown or (elapsed := monotonic() - self._started) < DELAY:
            return
        if self._bar is None:
            self._bar = _bar(self._total)
            self._bar.start_t -= elapsed
        self._bar.total = self._total
        self._bar.set_postfix_str(f"{self._phase}, {self._bytes / 1e6:.1f} MB", refresh=False)
        self._bar.update(self._rows - self._bar.n)

    def _step(self, total: int | None) -> None:
        if self._tell is not None:
            self._tell(self._rows, total)
        self.draw()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


def is_wanted(shown: bool | None) -> bool:
    """Whether to show a bar: as asked, else as PXT_FLIGHT_PROGRESS (0 or 1) says, else where a person looks on."""
    if shown is None:
        shown = _SWITCH.get(os.environ.get("PXT_FLIGHT_PROGRESS", "").strip().lower())
    return is_interactive() if shown is None else shown


def is_interactive() -> bool:
    """Whether somebody looks on: the errors' output is a terminal, or this is the kernel of a notebook."""
    return _is_notebook() or bool(sys.stderr and sys.stderr.isatty())


def _is_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _bar(total: int | None = None) -> Any:
    with warnings.catch_warnings():  # in a notebook without ipywidgets it says so, and draws in text
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    # With a delay it does not draw before its first numbers are there.
    # A notebook paints what comes on stderr in red, as something that went wrong.
    file = sys.stdout if _is_notebook() else sys.stderr
    shape = "{n_fmt}{unit} [{elapsed}{postfix}]" if total is None else "{l_bar}{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}{postfix}]"
    return tqdm(total=total, unit=" rows", unit_scale=True, leave=False, delay=1e-9, file=file, bar_format=shape)
