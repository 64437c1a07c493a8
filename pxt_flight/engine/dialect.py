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

from pxt_flight.errors import error

# The aggregates that Pixeltable's own tier knows by their class; they are written as they are read.
_AGGREGATES = {"COUNT": exp.Count, "SUM": exp.Sum, "AVG": exp.Avg, "MIN": exp.Min, "MAX": exp.Max}
# With a syntax of their own between the parentheses.
_SPECIAL = ("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM")
INTERVAL_FIELDS = frozenset({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})
_TEXTS = frozenset({TokenType.STRING, TokenType.HEREDOC_STRING})
_INFIX = (exp.In, exp.Between, exp.SimilarTo, exp.Escape)  # what NOT may stand within


class Plus(exp.Unary):
    """`+ '5'`, a number where `'5'` is a text: sqlglot has no node for it."""


class _Parser(PostgresParser):
    FUNCTIONS = {name: kind.from_arg_list for name, kind in _AGGREGATES.items()}  # noqa: RUF012  # sqlglot's own form
    FUNCTION_PARSERS = {name: PostgresParser.FUNCTION_PARSERS[name] for name in _SPECIAL}  # noqa: RUF012
    UNARY_PARSERS = {**PostgresParser.UNARY_PARSERS, TokenType.PLUS: lambda self: self._parse_plus()}  # noqa: RUF012
    # `f(tags -> 'n')` is no lambda; `f(days => 10)` is an argument by name.
    LAMBDAS = {TokenType.FARROW: PostgresParser.LAMBDAS[TokenType.FARROW]}  # noqa: RUF012
    TYPE_LITERAL_PARSERS = {}  # noqa: RUF012
    # The key as it is written: sqlglot's path of JSON loses its quotes.
    JSON_OPERATORS = {  # noqa: RUF012
        **PostgresParser.JSON_OPERATORS,
        TokenType.ARROW: lambda _, this, key: exp.JSONExtract(this=this, expression=key),
        TokenType.DARROW: lambda _, this, key: exp.JSONExtractScalar(this=this, expression=key),
    }
    NO_PAREN_FUNCTION_PARSERS = {  # noqa: RUF012
        **{name: PostgresParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("ANY", "CASE")},
        "SOME": PostgresParser.NO_PAREN_FUNCTION_PARSERS["ANY"],
        "ALL": lambda self: self.expression(exp.All(this=self._parse_bitwise())),
    }

    def _parse_plus(self) -> Any:
        operand = self._parse_unary()
        return operand if isinstance(operand, exp.Literal) and not operand.is_string else self.expression(Plus(this=operand))

    def _parse_type(self, parse_interval: bool = True, fallback_to_identifier: bool = False) -> Any:  # noqa: ARG002  # sqlglot's
        return self._parse_typed_literal() or super()._parse_type(False, fallback_to_identifier)

    def _parse_typed_literal(self) -> Any:
        """`interval '1 day 02:03'`, `date '2024-02-29'::text`: sqlglot cuts the first to `1 day`, and casts before it reads the second."""
        if self._curr is None or self._curr.token_type not in self.TYPE_TOKENS or self._curr.token_type is TokenType.VAR:
            return None
        index = self._index
        kind = self._try_parse(lambda: self._parse_types(check_func=True, allow_identifiers=False))
        if isinstance(kind, exp.DataType) and self._curr is not None and self._curr.token_type in _TEXTS:
            text = self._parse_primary()
            if kind.this == exp.DType.INTERVAL and not kind.expressions and self._is_interval_field():
                kind = self._interval_fields()
            return self._parse_column_ops(self.expression(exp.Cast(this=text, to=kind)))
        self._retreat(index)
        return None

    def _parse_types(self, *args: Any, **kwargs: Any) -> Any:  # sqlglot's
        if self._curr is None or self._curr.token_type is not TokenType.INTERVAL or self._next is None:
            return super()._parse_types(*args, **kwargs)
        following = self._next.text.upper()
        if following in INTERVAL_FIELDS:
            self._advance()
            return self._interval_fields()
        if following == "(":
            self._advance(2)
            size = exp.DataTypeParam(this=self._parse_number())
            self._match_r_paren()
            return exp.DataType(this=exp.DType.INTERVAL, expressions=[size])
        if following == "[":
            return super()._parse_types(*args, **kwargs)
        self._advance()  # what follows may be an alias that sqlglot knows as a unit: `w`
        return exp.DataType(this=exp.DType.INTERVAL)

    def _is_interval_field(self) -> bool:
        return self._curr is not None and self._curr.text.upper() in INTERVAL_FIELDS

    def _interval_fields(self) -> exp.DataType:
        """`DAY TO SECOND`: what an interval is cut to."""
        unit: Any = self._parse_var(any_token=True, upper=True)
        if self._match_text_seq("TO"):
            unit = exp.IntervalSpan(this=unit, expression=self._parse_var(any_token=True, upper=True))
        return exp.DataType(this=exp.Interval(unit=unit))


class _Generator(PostgresGenerator):
    MULTI_ARG_DISTINCT = True  # string_agg(DISTINCT a, ',') is written as it is
    # Operators stay operators, and stand apart from what follows: of `-~5`, `~-5` and `--5` Postgres makes other tokens.
    TRANSFORMS = {  # noqa: RUF012
        **PostgresGenerator.TRANSFORMS,
        exp.BitwiseNot: lambda self, node: f"~ {self.sql(node, 'this')}",
        exp.Neg: lambda self, node: f"- {self.sql(node, 'this')}",
        Plus: lambda self, node: f"+ {self.sql(node, 'this')}",
        exp.Pow: lambda self, node: self.binary(node, "^"),
        exp.Sqrt: lambda self, node: f"|/ {self.sql(node, 'this')}",
        exp.Cbrt: lambda self, node: f"||/ {self.sql(node, 'this')}",
        exp.CurrentTime: lambda *_: "CURRENT_TIME",
    }

    def not_sql(self, expression: exp.Not) -> str:
        """`a NOT IN (1)`, which binds closer than `NOT a IN (1)`: `b = a NOT IN (1)`."""
        node = expression.this
        if isinstance(node, exp.RegexpLike | exp.RegexpILike):
            before, after = self.sql(node, "this"), " !"
        elif isinstance(node, _INFIX):
            before, after = self.sql(node.this.this if isinstance(node, exp.Escape) else node.this), " NOT "
        else:
            return f"NOT {self.sql(node)}"
        written = self.sql(node)
        return f"{before}{after}{written[len(before) :].lstrip()}" if written.startswith(before) else f"NOT {written}"

    def datatype_sql(self, expression: exp.DataType) -> str:
        """`interval(3)`, of which sqlglot makes a unit."""
        if expression.this == exp.DType.INTERVAL and expression.expressions:
            return f"INTERVAL({self.expressions(expression, flat=True)})"
        return super().datatype_sql(expression)

    def rawstring_sql(self, expression: exp.RawString) -> str:
        """`$$it's$$` between quotes; a backslash means itself in both."""
        return self.sql(exp.Literal.string(expression.this))


class ServedPostgres(Postgres):
    """The dialect in which statements are read, and in which they go to Postgres."""

    class Tokenizer(Postgres.Tokenizer):
        # float is float8; `?::int` is a placeholder and a cast.
        KEYWORDS = {name: kind for name, kind in Postgres.Tokenizer.KEYWORDS.items() if name != "?::"} | {"FLOAT": TokenType.DOUBLE}

    Parser = _Parser
    Generator = _Generator


_DIALECT = ServedPostgres()


def tokenize(text: str) -> list[Token]:
    """The tokens of a statement, comments left out.

    Raises:
        InvalidRequestError: `sql_syntax`, where sqlglot is more generous than Postgres and would read something else.
    """
    found: list[Token] = []
    for token in _DIALECT.tokenize(text):
        before = found[-1] if found else None
        if before is None:
            found.append(token)
            continue
        between = text[before.end + 1 : token.start]
        if before.token_type is TokenType.NUMBER and not between and (token.text[:1].isalnum() or token.text[:1] == "_"):
            # `1_000` would be 1 under the name _000.
            raise error("sql_syntax", "A number ends in letters.", where={"offset": before.start})
        if token.text in ("~~", "~~*"):
            # It binds as `||` does, LIKE below it.
            raise error(
                "sql_unsupported", f"The operator {token.text} is not served.", hint="Use LIKE or ILIKE.", where={"offset": token.start}
            )
        if token.token_type is TokenType.STRING is before.token_type:
            if "\n" not in between:
                raise error("sql_syntax", "Two texts stand side by side.", hint="Join them with ||.", where={"offset": token.start})
            # One literal over two lines.
            found[-1] = Token(TokenType.STRING, before.text + token.text, before.line, before.col, before.start, token.end)
            continue
        found.append(token)
    return found


TYPE_NAMES = frozenset(_Parser.TYPE_TOKENS)


def parse(tokens: list[Token], text: str) -> list[Any]:
    """The trees of the statements of a text, None for an empty one."""
    return _DIALECT.parser().parse(tokens, text)


def generate(tree: exp.Expr) -> str:
    """The SQL of a tree, each name quoted and without comments."""
    return _DIALECT.generate(tree, identify=True, comments=False, normalize_functions=False)
