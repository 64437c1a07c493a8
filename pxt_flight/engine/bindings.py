"""What binds a statement to stored tables: their scans in its tree, and what must stay as it is for that to hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from pxt_flight.engine.scan import Pin
from pxt_flight.engine.seam.plan import CellSource, Relation
from pxt_flight.engine.sources import Source, TableInfo, find_sources, place_relations, relation_name, shorten_qualifiers
from pxt_flight.engine.sql import Statement
from pxt_flight.engine.store import Fingerprint
from pxt_flight.engine.types import MediaColumn


@dataclass(frozen=True)
class Held:
    """What a plan holds on to.

    Attributes:
        pins: the tables whose versions a ticket names; not those that are no version's, or of a version that the statement names.
        ids: of tables and directories of the store.
        fingerprint: theirs when it was planned; a plan is right in a snapshot in which it is the same.
    """

    pins: tuple[Pin, ...]
    ids: tuple[str, ...]
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Bound:
    """What is known of a statement's tables within one transaction."""

    tree: exp.Query
    sources: Sequence[Source]
    relations: Sequence[Relation]
    cells: tuple[CellSource, ...]
    held: Held

    @property
    def media(self) -> tuple[MediaColumn | None, ...]:
        """How grants name the columns of the cells; None where several views show one, and not the table that stores it."""
        return tuple(self._media(source) for source in self.cells)

    def _media(self, source: CellSource) -> MediaColumn | None:
        named = {relation.media[source] for relation in self.relations if source in relation.media}
        # The table that stores them shows whatever a view of it shows.
        storing = {column for column in named if source.table.endswith(column.table_id)}
        return next(iter(storing or named)) if len(storing or named) == 1 else None


@dataclass
class Known:
    """What is known of some tables, for as long as their fingerprint stays."""

    infos: Mapping[str, TableInfo]
    held: Held
    relations: dict[tuple[object, ...], tuple[Relation, Mapping[CellSource, int]]] = field(default_factory=dict)

    def learn(self, source: Source, cells: Mapping[CellSource, int], compiled: Callable[[], Relation]) -> Relation:
        """Compile the relation of a source, which numbers its cells, and keep it."""
        key = _relation_key(source, cells)
        relation = compiled()
        self.relations[key] = (relation, dict(cells))
        return relation

    def recall(self, source: Source, cells: dict[CellSource, int]) -> Relation:
        """The relation of a source; raises KeyError where it is not known."""
        relation, numbered = self.relations[_relation_key(source, cells)]
        cells |= numbered
        return relation


def _relation_key(source: Source, cells: Mapping[CellSource, int]) -> tuple[object, ...]:
    return (source.info.path, tuple(source.visible), tuple(source.hidden), tuple(cells))


def assembled(statement: Statement, known: Known, relation_of: Callable[[Source, dict[CellSource, int]], Relation]) -> Bound:
    """Put the relations of a statement's tables in their places.

    Args:
        statement: the parsed one.
        known: its tables.
        relation_of: the relation of a source, which numbers its media columns in the mapping that it is given.
    """
    tree = statement.tree.copy()
    shorten_qualifiers(tree)
    sources = find_sources(tree, dict(known.infos))
    cells: dict[CellSource, int] = {}
    relations = [relation_of(source, cells) for source in sources]
    names = {id(source): relation_name(i) for i, source in enumerate(sources)}
    place_relations(sources, lambda source: names[id(source)])
    return Bound(tree, sources, relations, tuple(cells), known.held)
