"""PostgreSQL as sqlglot reads and writes it, without sqlglot's rewriting of one function as another.

sqlglot translates between dialects: it reads `to_char(ts, 'Q')` as a format of Python's, `now()` as CURRENT_TIMESTAMP, `float` as REAL.
What goes in here must come out as it was, so functions stay calls by their name, and what it would reword is read anew below. A test
runs a corpus as written and as regenerated, and compares the answers.
"""

from typing import Any

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.generators.postgres import PostgresGenerator
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token, TokenType

# The aggregates that Pixeltable's own tier knows by their class; they are written as they are read.
_AGGREGATES = {"COUNT": exp.Count, "SUM": exp.Sum, "AVG": exp.Avg, "MIN": exp.Min, "MAX": exp.Max}
# With a syntax of their own between the parentheses.
_SPECIAL = ("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM")
_INTERVAL_UNITS = frozenset({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})


class _Parser(PostgresParser):
    FUNCTIONS = {name: kind.from_arg_list for name, kind in _AGGREGATES.items()}  # noqa: RUF012  # sqlglot's own form
    FUNCTION_PARSERS = {name: PostgresParser.FUNCTION_PARSERS[name] for name in _SPECIAL}  # noqa: RUF012
    LAMBDAS = {}  # noqa: RUF012  # in f(j -> 'a') the arrow is JSON's
    # The key as it is written: sqlglot's path of JSON loses its quotes.
    JSON_OPERATORS = {  # noqa: RUF012
        **PostgresParser.JSON_OPERATORS,
        TokenType.ARROW: lambda _, this, key: exp.JSONExtract(this=this, expression=key),
        TokenType.DARROW: lambda _, this, key: exp.JSONExtractScalar(this=this, expression=key),
    }
    NO_PAREN_FUNCTION_PARSERS = {name: PostgresParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("ANY", "CASE")}  # noqa: RUF012

    def _parse_interval(self, require_interval: bool = True, parse_function_unit: bool = True) -> Any:  # sqlglot's
        """`interval '1 day 02:03'` as a cast of its text, which sqlglot cuts to `1 day`."""
        index = self._index
        if self._match(TokenType.INTERVAL) and self._match(TokenType.STRING, advance=False):
            text = self._parse_primary()
            if self._curr is None or self._curr.text.upper() not in _INTERVAL_UNITS:
                return self.expression(exp.Cast(this=text, to=exp.DataType(this=exp.DType.INTERVAL)))
        self._retreat(index)
        return super()._parse_interval(require_interval, parse_function_unit)


class _Generator(PostgresGenerator):
    MULTI_ARG_DISTINCT = True  # string_agg(DISTINCT a, ',') is written as it is

    def rawstring_sql(self, expression: exp.RawString) -> str:
        """`$$it's$$` between quotes; a backslash means itself in both."""
        return self.sql(exp.Literal.string(expression.this))


class ServedPostgres(Postgres):
    """The dialect in which statements are read, and in which they go to Postgres."""

    class Tokenizer(Postgres.Tokenizer):
        KEYWORDS = {**Postgres.Tokenizer.KEYWORDS, "FLOAT": TokenType.DOUBLE}  # noqa: RUF012  # sqlglot's form; float is float8

    Parser = _Parser
    Generator = _Generator


_DIALECT = ServedPostgres()


def tokenize(text: str) -> list[Token]:
    """The tokens of a statement, comments left out."""
    return _DIALECT.tokenize(text)


def parse(tokens: list[Token], text: str) -> list[Any]:
    """The trees of the statements of a text, None for an empty one."""
    return _DIALECT.parser().parse(tokens, text)


def generate(tree: exp.Expr) -> str:
    """The SQL of a tree, each name quoted and without comments."""
    return _DIALECT.generate(tree, identify=True, comments=False)
