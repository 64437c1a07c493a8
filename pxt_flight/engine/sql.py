"""The user's SQL as text -> one SELECT whose tables are known, or an error that says where it stands."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from pxt_flight.engine import dialect, grammar
from pxt_flight.engine.grammar import refuse
from pxt_flight.errors import PxtFlightError, error

MAX_TEXT = 1 << 20  # characters of one statement
MAX_TABLES = 64
MAX_DEPTH = 64  # names of a path: Pixeltable's look-up takes seconds for thousands
CATALOG = "pixeltable"  # Flight SQL's name for all tables; tools put it in front
_EXPRESSION = "It is one expression of SQL: score > 8 AND name LIKE 'A%'."
_PATH = "path"  # in the meta of a table node: that of a stored table, not of a CTE
# It warns with the statement's text about commands, which are refused below.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Statement:
    """A parsed SELECT. The tree is shared: copy it before any change.

    Attributes:
        text: as it came.
        tree: unquoted names in lower case, placeholders numbered, nothing in it that is not served.
        parameters: how many values it takes: the highest `$n`.
        tables: the paths of the stored tables it reads, with slashes, in lower case, and with `:version` where it names one.
    """

    text: str
    tree: exp.Query
    parameters: int
    tables: tuple[str, ...]

    def within(self, directory: str, inside: Collection[str]) -> "Statement":
        """The statement with tables of one name looked up in a directory first.

        Args:
            directory: its path.
            inside: the paths of its tables.
        """
        tree = self.tree.copy()
        for node in tree.find_all(exp.Table):
            path = f"{directory}/{node.meta.get(_PATH)}"
            if path.split(":")[0] in inside:
                node.meta[_PATH] = path
        found = (path_of(node) for node in tree.find_all(exp.Table))
        return Statement(self.text, tree, self.parameters, tuple(dict.fromkeys(path for path in found if path is not None)))


@lru_cache(maxsize=256)
def parse(text: str) -> Statement:
    """Parse one SELECT.

    Args:
        text: the SQL; placeholders are `$1` or `?`.

    Raises:
        InvalidRequestError: `sql_syntax` with the position, `sql_not_allowed` for a write or a second statement, `sql_unsupported`.
    """
    with positions(text):
        tree = one_tree(text)
        if isinstance(tree, exp.Values):
            raise refuse(tree, "VALUES by itself", hint="SELECT * FROM (VALUES (1), (2)) AS v(x)")
        if not isinstance(tree, exp.Query):
            raise error("sql_not_allowed", "A query reads: only SELECT is allowed here.", hint="Nothing was changed.")
        if any(isinstance(node, exp.DML | exp.DDL | exp.Into) and not isinstance(node, exp.Query) for node in tree.walk()):
            raise error("sql_not_allowed", "A query reads: nothing in it may write.", hint="Nothing was changed.")
        join_long_names(tree)
        grammar.check(tree)
        fold_names(tree)
        tables = tuple(dict.fromkeys(stored_tables(tree, frozenset())))
        if len(tables) > MAX_TABLES:
            raise error("sql_unsupported", f"The statement reads more than {MAX_TABLES} tables.")
        return Statement(text, tree, parameter_count(tree), tables)


def expression(text: str, argument: str) -> exp.Expr:
    """The tree of one expression.

    Args:
        text: the SQL; placeholders are `$1`, for several texts share the values.
        argument: whose text it is, for the error.

    Raises:
        InvalidRequestError: it is not SQL, or anything but one expression.
    """
    try:
        tree = parse(f"SELECT\n{text}\n").tree  # the line ends a comment
    except PxtFlightError as fault:
        if fault.where.get("line", 0) > 1:
            fault.where["line"] -= 1
        fault.where["argument"] = argument
        raise
    parts = {part for part, value in tree.args.items() if value}
    found = tree.expressions[0] if isinstance(tree, exp.Select) and parts == {"expressions"} and len(tree.expressions) == 1 else None
    if found is None or isinstance(found, exp.Alias) or found.is_star:
        raise error("sql_syntax", f"{argument} is not one expression.", hint=_EXPRESSION, where={"argument": argument})
    if len(list(tree.find_all(exp.Parameter))) > sum(token.text == "$" for token in dialect.tokenize(text)):
        raise error("sql_unsupported", "Placeholders are $1, $2, ... here.", where={"argument": argument})
    copied: exp.Expr = found.copy()
    return copied


def path_of(node: exp.Table) -> str | None:
    """The path of a stored table; None for a name that a WITH of the statement gives, and for a function."""
    path: str | None = node.meta.get(_PATH)
    return path


def alias_of(node: exp.Table) -> str:
    """The name under which the statement may speak of a table: its alias, else the last part of its name without a version."""
    return node.alias or node.name.lower().rsplit("/", 1)[-1].split(":", 1)[0]


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


def one_tree(text: str) -> Any:
    """The tree of a text that is one statement of any kind, as sqlglot reads it; needs `positions`.

    Raises:
        InvalidRequestError: `sql_syntax`, `sql_not_allowed` for several, `INVALID_ARGUMENT`.
    """
    statements = [tree for tree in _trees(text) if tree is not None and not isinstance(tree, exp.Semicolon)]
    if not statements:
        raise error("sql_syntax", "The statement is empty.", where={"offset": 0})
    if len(statements) > 1:
        raise error("sql_not_allowed", "A request is one statement.", hint="Send the statements one by one.")
    return statements[0]


def _trees(text: str) -> list[Any]:
    if len(text) > MAX_TEXT:
        raise error("sql_unsupported", f"The statement is longer than {MAX_TEXT} characters.")
    if "\0" in text:  # libpq would end the statement there
        raise error("INVALID_ARGUMENT", "The statement holds the character NUL.", where={"offset": text.index("\0")})
    try:
        return dialect.parse(_numbered(dialect.tokenize(text)), text)
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


# After one of these `?` is Postgres' operator on JSON: an operand stands before it.
_OPERANDS = frozenset({TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER, TokenType.R_PAREN, TokenType.R_BRACKET}) | (
    dialect.TYPE_NAMES
)


def _numbered(tokens: Sequence[Token]) -> list[Token]:
    """`?` as `$1`, `$2`, ... in the order of the text, where it is no operator."""
    numbered: list[Token] = []
    count = 0
    for token in tokens:
        is_operand = bool(numbered) and numbered[-1].token_type in _OPERANDS
        if token.token_type is TokenType.PARAMETER and token.text != "$":
            raise error("sql_unsupported", "The operator @ is not served.", hint="Use abs(x).", where={"offset": token.start})
        if token.token_type is TokenType.PLACEHOLDER and not is_operand:
            count += 1
            place = (token.line, token.col, token.start, token.end)
            numbered += [Token(TokenType.PARAMETER, "$", *place), Token(TokenType.NUMBER, str(count), *place)]
        else:
            numbered.append(token)
    return numbered


def parameter_count(tree: exp.Expr) -> int:
    """How many values a statement takes: the highest `$n`."""
    numbers = (node.name for node in tree.find_all(exp.Parameter))
    return max((int(number) for number in numbers if number.isdecimal() and len(number) < 6), default=0)


def join_long_names(tree: exp.Expr) -> None:
    """`a.b.c.films` as `"a/b/c/films"`: Postgres has names of three parts at most, directories nest deeper."""
    for table in tree.find_all(exp.Table):
        parts = table.parts
        if isinstance(table.this, exp.Dot) and all(isinstance(part, exp.Identifier) for part in parts):
            kept = parts[1:] if parts[0].name == CATALOG else parts
            joined = exp.to_identifier("/".join(part.name for part in kept), quoted=True)
            joined.meta.update(parts[0].meta)
            table.set("db", None)
            table.set("catalog", None)
            table.set("this", joined)


def fold_names(tree: exp.Expr) -> None:
    """Fold unquoted names to lower case as Postgres does, and quoted ones of columns, whose names Pixeltable keeps in lower case."""
    for name in tree.find_all(exp.Identifier):
        if not name.args.get("quoted"):
            name.set("this", _lower(name.this))
    given = {str(alias.alias) for alias in tree.find_all(exp.Alias, exp.TableAlias)}
    given |= {name.name for alias in tree.find_all(exp.TableAlias) for name in alias.columns}
    for column in tree.find_all(exp.Column):
        for part in column.parts:
            if isinstance(part, exp.Identifier) and part.this not in given:
                part.set("this", _lower(part.this))


def _lower(name: str) -> str:
    return name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)


def stored_tables(node: exp.Expr, names: frozenset[str]) -> Iterator[str]:
    """The paths of the tables below a node that are no CTE, each marked in its node.

    Args:
        node: a part of the statement.
        names: the CTEs that can be seen there. One is seen by those after it and by the body of its WITH, not by itself: its own
            name means the table there; in a WITH RECURSIVE each is seen by all (Postgres, "WITH Queries").
    """
    if clause := node.args.get("with_"):
        ctes = clause.expressions
        if clause.recursive:
            names |= {cte.alias for cte in ctes}
        for cte in ctes:
            yield from stored_tables(cte.this, names)
            names |= {cte.alias}
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not (len(node.parts) == 1 and node.name in names):
        node.meta[_PATH] = stored_path(node)
        yield node.meta[_PATH]
    for child in node.iter_expressions():
        if child is not clause:
            yield from stored_tables(child, names)


def stored_path(table: exp.Table) -> str:
    """The path of a table's name: `a.b.films`, `"a/b".films` and `"a/b/films"` are the same table; Pixeltable folds names to lower case."""
    parts = [part.name for part in table.parts]
    if len(parts) > 2 and parts[0] == CATALOG:
        parts = parts[1:]
    path = "/".join(part for part in parts if part).lower()
    if path.count("/") >= MAX_DEPTH:
        raise refuse(table, f"A path of more than {MAX_DEPTH} names")
    return path
