"""Tables and results as HTML that stands by itself in a saved notebook: no script, nothing from elsewhere, 200 KB at most.

JupyterLab's colours are taken where it gives them; elsewhere the text's own colour and transparent greys, which suit light and dark alike.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from html import escape
from typing import NamedTuple

import pyarrow as pa

from pxt_flight.client.preview import COUNTED, ROWS, Preview
from pxt_flight.client.values import is_number, media_mode, size_text, type_name, value_text
from pxt_flight.errors import PxtFlightError

MAX_BYTES = 200_000
MAX_COLUMNS = 30
# Characters of a text, and of the longer one that its tooltip holds: the first of these with which the table fits. With the last it
# always does: 600 cells of 20 characters, each at most 6 bytes after escaping, and their tags are 110 KB.
_CUTS = ((200, 1000), (200, 0), (80, 0), (20, 0))
# Of the bytes, while there are pictures that want the rest.
_TEXT_SHARE = 0.5
JPEG = b"\xff\xd8\xff"
_MAX_NAME = 60
_MAX_TYPE = 40

_LINE = "var(--jp-border-color2,rgba(128,128,128,.28))"
_FAINT = "var(--jp-content-font-color2,inherit)"
# Twice the class: JupyterLab styles the tables of outputs with rules of one class and a few tags.
STYLE = f"""<style>
.pxt-display{{font-size:13px;line-height:1.4;color:var(--jp-content-font-color1,inherit);max-width:100%}}
.pxt-display .pxt-title{{margin:0 0 6px 2px}}
.pxt-display .pxt-scroll{{overflow-x:auto;width:fit-content;max-width:100%;border:1px solid {_LINE};border-radius:6px}}
.pxt-display .pxt-rows{{border-collapse:collapse;border:0;margin:0;font-size:inherit;color:inherit}}
.pxt-display .pxt-rows th,.pxt-display .pxt-rows td{{padding:5px 12px;border:0;text-align:left;vertical-align:middle;white-space:nowrap}}
.pxt-display .pxt-rows th{{font-weight:600;line-height:1.3;vertical-align:bottom;background:rgba(128,128,128,.08)}}
.pxt-display .pxt-rows tbody tr:nth-child(n){{background:none}}
.pxt-display .pxt-rows tbody tr:nth-child(n):hover{{background:rgba(128,128,128,.07)}}
.pxt-display .pxt-rows tbody td{{border-top:1px solid {_LINE}}}
.pxt-display .pxt-rows .pxt-number{{text-align:right;font-variant-numeric:tabular-nums}}
.pxt-display .pxt-rows div{{max-width:42ch;overflow:hidden;text-overflow:ellipsis}}
.pxt-display .pxt-pictures td{{height:64px;padding-top:3px;padding-bottom:3px}}
.pxt-display .pxt-pictures div{{max-width:32ch;white-space:normal;overflow-wrap:break-word}}
.pxt-display .pxt-pictures div{{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3}}
.pxt-display .pxt-pictures .pxt-code{{min-width:24ch}}
.pxt-display .pxt-code{{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px}}
.pxt-display .pxt-rows img{{display:block;max-height:64px;max-width:96px;margin:0;border-radius:3px}}
.pxt-display small,.pxt-display i{{font-weight:400;font-size:11px;color:{_FAINT};opacity:.72}}
.pxt-display .pxt-badge{{font-size:11px;color:{_FAINT};opacity:.8;padding:1px 7px;border:1px solid {_LINE};border-radius:9px}}
.pxt-display .pxt-foot{{margin:6px 0 0 2px}}
.pxt-display .pxt-fault{{padding:8px 12px;border:1px solid {_LINE};border-left:3px solid var(--jp-error-color1,#d33);border-radius:4px}}
.pxt-display .pxt-fault small{{opacity:1}}
</style>"""


class Cell(NamedTuple):
    """One cell: what stands in it, and the picture that takes its place where there is room for one."""

    html: str
    picture: str | None = None

    @property
    def cost(self) -> int:
        """The bytes that the picture adds; it is ASCII, as the badge in its place is."""
        return 0 if self.picture is None else len(self.picture) - len(self.html)


def preview_html(preview: Preview) -> str:
    """The rows as HTML of at most `MAX_BYTES` bytes in UTF-8."""
    rows = preview.rows.slice(0, ROWS)
    columns = list(zip(rows.schema, rows.columns, strict=True))[:MAX_COLUMNS]
    more = rows.num_columns - len(columns)
    head = STYLE + _title(preview)
    foot = f'<div class="pxt-foot"><small>{escape(_footer(preview, rows))}</small></div>'
    for text, tooltip in _CUTS:
        cells = [[*_cells(field, column, text, tooltip)] for field, column in columns]
        pictures = any(cell.picture for column in cells for cell in column)
        html = _framed(head + _table([field for field, _ in columns], cells, more, pictures=pictures) + foot)
        size = len(html.encode())
        if size <= MAX_BYTES * (_TEXT_SHARE if pictures else 1):
            break
    if not pictures:
        return html
    _place(cells, MAX_BYTES - size)
    return _framed(head + _table([field for field, _ in columns], cells, more, pictures=True) + foot)


def fault_html(fault: PxtFlightError, name: str | None = None) -> str:
    """An error in the place of the rows: its code, message and hint."""
    title = "" if name is None else f'<div class="pxt-title"><b>{_cut(name, _MAX_NAME)}</b></div>'
    hint = f"<br><small>Hint: {escape(fault.hint)}</small>" if fault.hint else ""
    return _framed(f'{STYLE}{title}<div class="pxt-fault"><b>{_cut(fault.code, _MAX_NAME)}</b>: {escape(fault.message)}{hint}</div>')


def shown(load: Callable[[], Preview], name: str | None = None) -> str:
    """The HTML of what `load` answers, or of the error that it raises: a display that fails breaks no cell of a notebook."""
    try:
        return preview_html(load())
    except PxtFlightError as fault:
        return fault_html(fault, name)


def _framed(html: str) -> str:
    # Else JupyterLab sets the text between two dollars as a formula.
    return f'<div class="pxt-display tex2jax_ignore mathjax_ignore">{html}</div>'


def _title(preview: Preview) -> str:
    if preview.name is None:
        return ""
    version = "" if preview.version is None else f" <small>version {preview.version}</small>"
    return f'<div class="pxt-title"><b>{_cut(preview.name, _MAX_NAME)}</b>{version}</div>'


def _footer(preview: Preview, rows: pa.Table) -> str:
    counted, total = rows.num_rows, preview.total
    columns = f"{rows.num_columns} column{'' if rows.num_columns == 1 else 's'}"
    if total == counted:
        return f"{counted} row{'' if counted == 1 else 's'}, {columns}"
    of = "" if total is None else f" of more than {COUNTED:,}" if total > COUNTED else f" of {total:,}"
    return f"first {counted}{of} rows, {columns}"


def _table(fields: list[pa.Field], cells: list[list[Cell]], more: int, *, pictures: bool) -> str:
    header = "".join(map(_header, fields)) + (f"<th><small>and {more} more</small></th>" if more else "")
    end = "<td><small>…</small></td></tr>" if more else "</tr>"
    body = "".join("<tr>" + "".join(cell.html for cell in row) + end for row in zip(*cells, strict=True))
    kind = "pxt-rows pxt-pictures" if pictures else "pxt-rows"
    return f'<div class="pxt-scroll"><table class="{kind}"><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


def _header(field: pa.Field) -> str:
    marks = [_cut(type_name(field), _MAX_TYPE)]
    marks += ["UTC"] if pa.types.is_timestamp(field.type) and field.type.tz else []
    marks += ["computed"] if (field.metadata or {}).get(b"pxt:computed", b"false") not in (b"", b"false", b"0") else []
    kind = ' class="pxt-number"' if is_number(field.type) else ""
    return f"<th{kind}>{_cut(field.name, _MAX_NAME)}<br><small>{' · '.join(marks)}</small></th>"


def _cells(field: pa.Field, column: pa.ChunkedArray, text: int, tooltip: int) -> Iterator[Cell]:
    """The cells of a column; how is decided once for all of them."""
    mode = media_mode(field)
    if mode is not None:
        yield from (_media_cell(value, type_name(field), mode) for value in column)
        return
    tag = '<td class="pxt-number">' if is_number(field.type) else "<td>"
    code = ' class="pxt-code"' if type_name(field) == "Json" or pa.types.is_nested(field.type) or _is_extension(field.type) else ""
    is_plain = is_number(field.type) or pa.types.is_temporal(field.type)  # always short
    for value in column:
        if not value.is_valid:
            yield Cell(f"{tag}<i>null</i></td>")
        elif is_plain:
            yield Cell(f"{tag}{_cut(value_text(value), text)}</td>")
        else:
            yield Cell(f"{tag}{_text_div(value_text(value), code, text, tooltip)}</td>")


def _is_extension(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType)


def _text_div(value: str, code: str, text: int, tooltip: int) -> str:
    title = f' title="{_cut(value, tooltip)}"' if tooltip and len(value) > 40 else ""
    return f"<div{code}{title}>{_cut(value, text)}</div>"


def _media_cell(value: pa.Scalar, kind: str, mode: str) -> Cell:
    """A badge, and over it the thumbnail. Nothing else of a media cell is shown: its URL holds a grant."""
    content = value.as_buffer() if value.is_valid and isinstance(value, pa.BinaryScalar) and mode != "url" else None
    size = f" {size_text(content.size)}" if content is not None and mode == "bytes" else ""
    label = _cut(kind, _MAX_TYPE)
    badge = f'<td><span class="pxt-badge">{label}{size}</span></td>'
    # What is larger finds no room anyhow.
    if content is None or not mode.startswith("thumbnail:") or content.size > MAX_BYTES:
        return Cell(badge)
    picture = content.to_pybytes()
    if not picture.startswith(JPEG):
        return Cell(badge)
    return Cell(badge, f'<td><img alt="{label}" src="data:image/jpeg;base64,{b64encode(picture).decode()}"></td>')


def _place(cells: list[list[Cell]], room: int) -> None:
    """Put pictures in place of badges, row by row, as long as there is room."""
    for row in range(len(cells[0])):
        for column in cells:
            picture, cost = column[row].picture, column[row].cost
            if picture is not None and cost <= room:
                column[row] = Cell(picture)
                room -= cost


def _cut(text: str, length: int) -> str:
    """Escaped, and shortened before that: no entity is cut in two."""
    return escape(text if len(text) <= length else text[: length - 1].rstrip() + "…")
