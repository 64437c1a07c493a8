"""The log of a process, on stderr: as lines to read, or as JSON for whoever collects them. Each line of a request has its id."""

import json
import logging
from datetime import UTC, datetime

from pxt_flight.config import Format, Level
from pxt_flight.trace import describe, request_id

FIELDS = "fields"
"""The attribute of a log record that holds further values, by name."""
_OURS = "pxt_flight"


def configure(level: Level, style: Format) -> None:
    """Log to stderr.

    Args:
        level: from which on our own lines are written. Those of libraries are from `warning` on: at lower levels some quote what they are
            asked for.
        style: `console` or `json`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if style == "json" else _Console())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level.upper())


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = [f"{name}={value}" for name, value in _fields(record).items() if value is not None]
        return " ".join([_time(record), record.levelname, f"{record.name}:", record.getMessage(), *values, *_fault(record)])


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        fault = dict(zip(("fault",), _fault(record), strict=False))
        return json.dumps(line | _fields(record) | fault, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = request_id.get()
    return ({} if found is None else {"request_id": found}) | getattr(record, FIELDS, {})


def _fault(record: logging.LogRecord) -> list[str]:
    """Kind and place of an exception; never its text, which a library's own line would print."""
    return [describe(record.exc_info[1])] if record.exc_info and record.exc_info[1] else []
