"""What filters, orders and selections speak of: a column, or a value inside of a Json column.

`score` is a column; `meta.lab` and `meta.tags.0` are below one, by the keys of objects and the numbers of list elements. A part between
double quotes is taken as it is, dots and all: `meta."a.b"`.
"""

import re
from dataclasses import dataclass

from sqlglot import exp

from pxt_flight.engine.constants import text as checked_text

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


@dataclass(frozen=True)
class Operand:
    """A column, or a value below it.

    Attributes:
        column: the name of the column.
        path: the keys below it.
    """

    column: str
    path: tuple[str, ...] = ()

    @property
    def value(self) -> exp.Expr:
        """The column, or the Json value; Json's null is NULL."""
        return call("nullif", self._extracted("jsonb_extract_path"), json_literal("null")) if self.path else self._named

    @property
    def text(self) -> exp.Expr:
        """The column, or the Json value as text; Json's null is NULL."""
        return self._extracted("jsonb_extract_path_text") if self.path else self._named

    @property
    def kind(self) -> exp.Expr:
        """Of a value below a column: the name that Json has for what it is, `number`."""
        return call("jsonb_typeof", self._extracted("jsonb_extract_path"))

    @property
    def number(self) -> exp.Expr:
        """The column, or the Json value where it is a number, else NULL."""
        if not self.path:
            return self._named
        is_number = exp.EQ(this=self.kind, expression=exp.Literal.string("number"))
        return exp.Case(ifs=[exp.If(this=is_number, true=double(self.text))])

    @property
    def _named(self) -> exp.Expr:
        return exp.column(exp.to_identifier(self.column, quoted=True))

    def _extracted(self, function: str) -> exp.Expr:
        return call(function, self._named, *map(exp.Literal.string, self.path))


def parse_operand(name: str) -> Operand:
    """The operand of a name.

    Raises:
        ValueError: it is none.
        InvalidRequestError: `INVALID_ARGUMENT`, it holds a character that Postgres cannot.
    """
    parts, end = [], -1
    while end < len(name):
        found = _PART.match(name, end + 1)
        if found is None or name[found.end() : found.end() + 1] not in ("", "."):
            raise ValueError(name)
        parts.append(found[1].replace('""', '"') if found[1] else found[2].strip())
        end = found.end()
    column, *path = (checked_text(part, {}) for part in parts)
    return Operand(column.lower(), tuple(path))


def json_literal(text: str) -> exp.Expr:
    """A Json value as a literal."""
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType(this=exp.DType.JSONB))


def double(node: exp.Expr) -> exp.Expr:
    """A value as a float of 64 bits."""
    return exp.Cast(this=node, to=exp.DataType(this=exp.DType.DOUBLE))


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A function of some arguments."""
    return exp.Anonymous(this=name, expressions=list(arguments))
