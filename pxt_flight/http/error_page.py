"""The error reference, made from the table of codes: the page to which every problem's `type` points, and the same as Markdown.

`python -m pxt_flight.http.error_page` writes the Markdown, which is `docs/errors.md`.
"""

import sys
from collections.abc import Iterator
from html import escape
from itertools import groupby

from fastapi import Response

from pxt_flight.errors import REFERENCE, ErrorCode

PATH = "/errors"
_INTRODUCTION = (
    "Every error has a code that is never renamed; those in capitals are Pixeltable's own. HTTP answers it as RFC 9457's problem, with "
    "`code`, `detail`, `hint`, `where`, `retryable` and `request_id`; its `type` is the code's place on this page. Arrow Flight sends "
    "`code: text. Hint: ...` and the same fields as JSON in the error's `extra_info`; the gRPC status is UNKNOWN where pyarrow has none "
    "that could carry them. `retryable` says whether the same request may succeed later."
)
_COLUMNS = ("Code", "HTTP", "gRPC", "Retryable", "What happened", "What to do")
# A page that runs nothing and loads nothing.
_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "cache-control": "max-age=3600"}
_STYLE = (
    "body{font:16px/1.5 system-ui;margin:2rem auto;max-width:75rem;padding:0 1rem}tr:target{background:#fe9}"
    "table{border-collapse:collapse}tr{border-bottom:1px solid #ccc}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem}"
)


async def error_page() -> Response:
    """The error reference as HTML."""
    return Response(html(), headers=_HEADERS, media_type="text/html")


def markdown() -> str:
    """The error reference as Markdown."""
    lines = ["# Errors", "", "Made from `pxt_flight/errors.py`.", "", _INTRODUCTION, ""]
    for title, meaning, entries in _groups():
        lines += [f"## {title}", "", meaning, "", f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
        lines += [f'| <a id="{entry.code}"></a>`{entry.code}` | {" | ".join(_cells(entry))} |' for entry in entries]
        lines.append("")
    return "\n".join(lines)


def html() -> str:
    """The error reference as one HTML page without scripts."""
    parts = [f"<h1>Errors</h1><p>{_prose(_INTRODUCTION)}</p>"]
    for title, meaning, entries in _groups():
        head = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS)
        rows = "".join(_row(entry) for entry in entries)
        parts.append(f"<h2>{escape(title)}</h2><p>{_prose(meaning)}</p><table><tr>{head}</tr>{rows}</table>")
    head = f'<meta charset="utf-8"><title>Errors of pxt-flight</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _groups() -> Iterator[tuple[str, str, list[ErrorCode]]]:
    """The codes by class: its name, what it is, its codes."""
    for kind, entries in groupby(REFERENCE.values(), lambda entry: entry.kind):
        yield kind.__name__, (kind.__doc__ or "").split("\n", 1)[0], list(entries)


def _cells(entry: ErrorCode) -> tuple[str, ...]:
    return str(entry.http_status), entry.grpc_status, "yes" if entry.retryable else "no", entry.meaning, entry.remedy


def _row(entry: ErrorCode) -> str:
    cells = "".join(f"<td>{_prose(cell)}</td>" for cell in _cells(entry))
    return f'<tr id="{entry.code}"><td><code>{entry.code}</code></td>{cells}</tr>'


def _prose(text: str) -> str:
    """Escaped, with what stands in backticks as code."""
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(escape(text).split("`")))


if __name__ == "__main__":
    sys.stdout.write(markdown())
