"""The user's SQL as text -> one SELECT over one table, or an error that says where it stands."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from pxt_flight.engine.expressions import refuse
from pxt_flight.errors import PxtFlightError, error

MAX_TEXT = 1 << 20  # characters of one statement
MAX_ITEMS = 1600  # of a select list, as Postgres has columns; 5 s of planning
MAX_KEYS = 64  # of ORDER BY or GROUP BY: Pixeltable's time grows with their square, 3,000 keys took two minutes
_POSTGRES = Dialect.get_or_raise("postgres")
_CLAUSES = {"expressions", "from_", "where", "group", "order", "limit", "offset", "distinct"}
# It warns with the statement's text about commands, which are refused below.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Statement:
    """A parsed SELECT over one table.

    `table` is its path with slashes and in lower case, with `:version` where the statement names one.
    """

    text: str
    tree: exp.Select
    table: str
    alias: str

    @property
    def is_pinned(self) -> bool:
        """Whether it names a version itself: `"films:3"`."""
        return ":" in self.table


@lru_cache(maxsize=256)
def parse(text: str) -> Statement:
    """Parse one SELECT over one table.

    Args:
        text: the SQL; placeholders are `$1` or `?`.

    Raises:
        InvalidRequestError: `sql_syntax` with the position, `sql_not_allowed` for a write or a second statement, `sql_unsupported`.
    """
    with positions(text):
        statements = [tree for tree in _trees(text) if tree is not None and not isinstance(tree, exp.Semicolon)]
        if not statements:
            raise error("sql_syntax", "The statement is empty.", where={"offset": 0})
        if len(statements) > 1:
            raise error("sql_not_allowed", "A query is one statement.", hint="Send the statements one by one.")
        tree = statements[0]
        if isinstance(tree, exp.SetOperation | exp.Subquery | exp.Values):
            raise refuse(tree, type(tree).__name__.upper())
        if not isinstance(tree, exp.Select):
            raise error("sql_not_allowed", "A query reads: only SELECT is allowed here.", hint="Nothing was changed.")
        for clause in tree.args.keys() - _CLAUSES:
            if tree.args[clause]:
                raise refuse(tree, f"The clause {clause.strip('_').upper()}")
        _check_size(tree)
        table = _table(tree)
        return Statement(text, tree, _path(table), table.alias.lower())


def _trees(text: str) -> list[Any]:
    if len(text) > MAX_TEXT:
        raise error("sql_unsupported", f"The statement is longer than {MAX_TEXT} characters.")
    try:
        return _POSTGRES.parser().parse(_numbered(_POSTGRES.tokenize(text)), text)
    except TokenError:
        raise error("sql_syntax", "A quote or comment is not closed, or a character is not SQL.") from None
    except ParseError as fault:
        first = fault.errors[0] if fault.errors else {}
        before, at = str(first.get("start_context") or ""), str(first.get("highlight") or "")
        offset = max(text.find(before + at), 0) + len(before)
        near = f" near {at!r}" if at else " at its end"
        raise error("sql_syntax", f"The statement is not valid SQL{near}.", where={"offset": offset}) from None
    except RecursionError:
        raise error("sql_unsupported", "The statement is nested too deeply.") from None


def _numbered(tokens: Sequence[Token]) -> list[Token]:
    """`?` as `$1`, `$2`, ... in the order of the text."""
    numbered: list[Token] = []
    count = 0
    for token in tokens:
        if token.token_type is TokenType.PLACEHOLDER:
            count += 1
            place = (token.line, token.col, token.start, token.end)
            numbered += [Token(TokenType.PARAMETER, "$", *place), Token(TokenType.NUMBER, str(count), *place)]
        else:
            numbered.append(token)
    return numbered


@contextmanager
def positions(text: str) -> Iterator[None]:
    """Turn the `offset` of an error into line and column, both from 1."""
    try:
        yield
    except RecursionError:
        raise error("sql_unsupported", "The statement is nested too deeply.") from None
    except PxtFlightError as fault:
        if "offset" in fault.where:
            offset = fault.where.pop("offset")
            before = text[:offset]
            fault.where |= {"line": before.count("\n") + 1, "character": offset - before.rfind("\n")}
        raise


def _check_size(tree: exp.Select) -> None:
    if not tree.expressions:
        raise error("sql_syntax", "The select list is empty.", where={"offset": 0})
    if len(tree.expressions) > MAX_ITEMS:
        raise error("sql_unsupported", f"The select list has more than {MAX_ITEMS} items.")
    for clause in ("order", "group"):
        if (found := tree.args.get(clause)) and len(found.expressions) > MAX_KEYS:
            raise error("sql_unsupported", f"{clause.upper()} BY has more than {MAX_KEYS} keys.")


def _table(tree: exp.Select) -> exp.Table:
    source = tree.args.get("from_")
    if source is None:
        raise error("sql_unsupported", "A query names one table: SELECT ... FROM table.", where={"offset": 0})
    table = source.this
    extras = {key for key, value in table.args.items() if value} - {"this", "db", "catalog", "alias"}
    if not isinstance(table, exp.Table) or extras or not isinstance(table.this, exp.Identifier | exp.Dot):
        raise refuse(table, "A source that is not a table")
    if isinstance(alias := table.args.get("alias"), exp.TableAlias) and alias.args.get("columns"):
        raise refuse(table, "A table alias with columns")
    return table


def _path(table: exp.Table) -> str:
    """`a.b.films`, `"a/b".films` and `"a/b/films"` are the same table; Pixeltable folds names to lower case."""
    return "/".join(part.name for part in table.parts).lower()
