"""Which columns of which stored tables a statement reads, and the relations that stand for them in it.

A stored table goes into the statement as a name of ours, which a WITH in front defines as Pixeltable's own scan. What of its columns can
be meant is found by name, generously: a column too many costs nothing, for Postgres leaves it out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from pxt_flight.engine.grammar import refuse
from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.soft_delete import deletion_columns
from pxt_flight.engine.sql import alias_of, path_of
from pxt_flight.engine.types import ARROW_TYPES, ColumnType, arrow_field, parse_type

ROW_ID = "_rowid"
FIRST_ROW_ID = "pxt$row_id"  # its first number, in statements that `partitions` makes
GENERATED = "generated"  # in the meta of a name that we put into a statement
ROW_VERSION = "_version"
_ROW_IDS = {ROW_ID: "rowid", FIRST_ROW_ID: "first_rowid", ROW_VERSION: "version"}
_PROPERTIES = ("errortype", "errormsg", "embedding")
_OURS = "pxt$"  # how the names of relations begin; no name of the statement may


@dataclass(frozen=True)
class TableInfo:
    """A stored table as `get_metadata()` describes it.

    Attributes:
        path: its path.
        columns: their types, by name.
        computed: those that Pixeltable computes.
        unstored: those that it computes while they are read.
        hides: whether rows that are deleted softly are left out, and with them the column that says so.
        concealed: the names of that column, where it is left out.
    """

    path: str
    columns: dict[str, ColumnType]
    computed: frozenset[str]
    unstored: frozenset[str]
    hides: bool
    concealed: frozenset[str]


@dataclass
class Source:
    """A stored table at one place of a statement.

    Attributes:
        node: the place.
        info: the table.
        visible: its columns that the statement can mean, in the table's order; all of them where a star can reach it.
        hidden: row id, errors and embeddings that the statement names: they are not part of a star.
        missing: why a column that the statement may mean is not there, by name.
    """

    node: exp.Table
    info: TableInfo
    visible: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def table_info(path: str, metadata: dict[str, Any], *, include_deleted: bool) -> TableInfo:
    """Read what Pixeltable says of a table.

    Args:
        path: its path.
        metadata: what `get_metadata()` says.
        include_deleted: whether rows that are deleted softly are read, too.
    """
    concealed = frozenset() if include_deleted else deletion_columns(metadata["columns"])
    described = {name: column for name, column in metadata["columns"].items() if name not in concealed}
    columns = {name: parse_type(column["type_"]) for name, column in described.items()}
    computed = frozenset(name for name, column in described.items() if column["is_computed"])
    unstored = frozenset(name for name, column in described.items() if not column["is_stored"])
    return TableInfo(path, columns, computed, unstored, not include_deleted, concealed)


def find_sources(tree: exp.Query, tables: dict[str, TableInfo]) -> list[Source]:
    """The stored tables of a statement with what of them it may read.

    Raises:
        NotSqlError: a star reaches a column that Pixeltable computes while it is read.
        InvalidRequestError: `type_unsupported`, a star reaches a column of a type that is not served.
    """
    for name in tree.find_all(exp.Identifier):
        if name.this.startswith(_OURS) and not name.meta.get(GENERATED):
            raise refuse(name, f"A name that begins with {_OURS}")
    nodes = [node for node in tree.find_all(exp.Table) if path_of(node) is not None]
    named = {column.name for column in tree.find_all(exp.Column)}
    named |= {name.name for join in tree.find_all(exp.Join) for name in join.args.get("using") or ()}
    starred = _starred(tree, nodes)
    sources = [_source(node, tables[path_of(node) or ""], named, is_starred=id(node) in starred) for node in nodes]
    _expand_stars(tree, sources)
    return sources


def place_relations(sources: Sequence[Source], name_of: Callable[[Source], str]) -> None:
    """Put the names of relations in place of the tables, and bring the names before columns to one part."""
    for source in sources:
        node = source.node
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(alias_of(node), quoted=True))
        for part in ("db", "catalog"):
            node.set(part, None)
        node.set("this", exp.to_identifier(name_of(source), quoted=True))
        node.set("alias", alias)


def shorten_qualifiers(tree: exp.Query) -> None:
    """`dir.films.score` and `"dir/films:3".score` as `films.score`: a subquery has a name of one part."""
    for column in tree.find_all(exp.Column):
        qualifier = column.args.get("table")
        if isinstance(qualifier, exp.Identifier):
            column.set("db", None)
            column.set("catalog", None)
            qualifier.set("this", qualifier.this.rsplit("/", 1)[-1].split(":", 1)[0])


def relation_name(number: int) -> str:
    """The name of a relation in the WITH in front."""
    return f"{_OURS}{number}"


def split_hidden(name: str) -> tuple[str, str] | None:
    """`img__errormsg` -> (`img`, `errormsg`), `_rowid` and `_version` -> (``, `rowid`) and (``, `version`); None for any other name."""
    if name in _ROW_IDS:
        return "", _ROW_IDS[name]
    column, separator, which = name.rpartition("__")
    return (column, which) if separator and which in _PROPERTIES else None


def _source(node: exp.Table, info: TableInfo, named: set[str], *, is_starred: bool) -> Source:
    source = Source(node, info)
    for name, column in info.columns.items():
        if not is_starred and name not in named:
            continue
        if name in info.unstored:
            source.missing[name] = f"column {name} is computed while it is read"
            if is_starred:
                raise NotSqlError(source.missing[name])
        elif column.name in ARROW_TYPES or column.is_media or column.is_blob:
            source.visible.append(name)
        elif is_starred:
            arrow_field(name, column, media="", nullable=True)  # refuses it
        else:
            source.missing[name] = f"column {name} is of type {column.name}"
    for name in sorted(named - info.columns.keys()):
        split = split_hidden(name)
        if split is not None and (not split[0] or split[0] in info.columns):
            source.hidden.append(name)
    return source


def _starred(tree: exp.Query, nodes: Sequence[exp.Table]) -> set[int]:
    """The tables of which all columns may be meant: by a star, a natural join, an alias with columns, or as a whole row."""
    aliases = {alias_of(node) for node in nodes}
    wholes = {column.name for column in tree.find_all(exp.Column) if not column.table and column.name in aliases}
    found = {id(node) for node in nodes if alias_of(node) in wholes or (node.args.get("alias") and node.args["alias"].columns)}
    if any(join.method.upper() == "NATURAL" for join in tree.find_all(exp.Join)):
        return {id(node) for node in nodes}
    for star in tree.find_all(exp.Star):
        if isinstance(star.parent, exp.Count):
            continue
        qualifier = star.parent.table if isinstance(star.parent, exp.Column) else ""
        select = star.find_ancestor(exp.Select)
        # A name before the star may be that of a query around this one.
        found |= {id(n) for n in nodes if (alias_of(n) == qualifier if qualifier else n.find_ancestor(exp.Select) is select)}
    return found


def _expand_stars(tree: exp.Query, sources: Sequence[Source]) -> None:
    """Where a table has hidden columns, write its columns out in place of a star, which would show them."""
    concealing = [source for source in sources if source.hidden]
    for star in list(tree.find_all(exp.Star)) if concealing else []:
        if isinstance(star.parent, exp.Count):
            continue
        select = star.find_ancestor(exp.Select)
        own = [source for source in sources if source.node.find_ancestor(exp.Select) is select]
        qualifier = star.parent.table if isinstance(star.parent, exp.Column) else ""
        if not any(source.hidden for source in own if not qualifier or alias_of(source.node) == qualifier):
            continue
        written = list(_written_out(select, qualifier, own))
        place: Any = star.parent if isinstance(star.parent, exp.Column) else star
        expressions = select.expressions  # type: ignore[union-attr]  # grammar: a star stands in a select list
        at = next(i for i, item in enumerate(expressions) if item is place)
        select.set("expressions", [*expressions[:at], *written, *expressions[at + 1 :]])  # type: ignore[union-attr]


def _written_out(select: Any, qualifier: str, own: Sequence[Source]) -> list[exp.Expr]:
    if any(join.args.get("using") or join.method for join in select.args.get("joins") or ()):
        raise refuse(select, f"* beside {ROW_ID} or error columns in a join by USING", hint="Name the columns.")
    by_node = {id(source.node): source for source in own}
    items = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or ())]
    written: list[exp.Expr] = []
    for item in items:
        source = by_node.get(id(item))
        alias = alias_of(item) if isinstance(item, exp.Table) else item.alias
        if qualifier and alias != qualifier:
            continue
        table = exp.to_identifier(alias, quoted=True)
        if source is None:
            written.append(exp.Column(this=exp.Star(), table=table))
        else:
            written += [exp.Column(this=exp.to_identifier(name, quoted=True), table=table.copy()) for name in source.visible]
    return written
