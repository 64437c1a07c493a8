"""What binds a statement to stored tables: their scans in its tree, and what must stay as it is for that to hold."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any
from uuid import UUID

from sqlglot import exp

from pxt_flight.engine.catalog import get_table
from pxt_flight.engine.scan import Pin
from pxt_flight.engine.seam.columns import CellSource
from pxt_flight.engine.seam.plan import Moment, Relation, State, version_of
from pxt_flight.engine.sources import Source, TableInfo, find_sources, place_relations, relation_name, shorten_qualifiers
from pxt_flight.engine.sql import Statement
from pxt_flight.engine.store import Fingerprint, Shapes, shapes
from pxt_flight.engine.types import MediaColumn


@dataclass(frozen=True)
class Held:
    """What a plan holds on to.

    Attributes:
        pins: what a ticket reads of each table.
        reads: for each pin the versions that it reads, of the table and of those below it.
        live: for each pin whether it reads them for being the live ones.
        ids: of tables and directories of the store.
        fingerprint: theirs when it was planned; a plan is right in a snapshot in which it is the same.
        shapes: theirs; while they are the same, all that a plan of live tables has of them, but for their versions, is too.
    """

    pins: tuple[Pin, ...]
    reads: tuple[frozenset[Moment], ...] = ()
    live: tuple[bool, ...] = ()
    ids: tuple[str, ...] = ()
    fingerprint: Fingerprint = frozenset()
    shapes: Shapes = frozenset()

    @property
    def versions(self) -> frozenset[Moment]:
        """All versions that are read."""
        return frozenset().union(*self.reads)

    def is_true(
        self,
        fingerprint: Callable[[Sequence[str]], Fingerprint],
        moments: Callable[[Collection[Moment]], frozenset[Moment]],
        *,
        is_pinned: bool,
    ) -> bool:
        """Whether the plan is right in a transaction.

        Args:
            fingerprint: asks for that of ids in the transaction.
            moments: asks which versions of these numbers there are in the transaction.
            is_pinned: whether all tables are read as of a version: then that these are still there is enough, and no later write counts.
        """
        return fingerprint(self.ids) == self.fingerprint or (is_pinned and moments(self.versions) == self.versions)

    def renewed(self, states: Mapping[str, State]) -> "Held | None":
        """The same of the tables as they are now, where nothing but rows was written; None where more has changed, or may have.

        Args:
            states: of `ids`.
        """
        if not self.reads or not all(self.live) or shapes(states) != self.shapes:
            return None
        reads = tuple(_moments((table_id for table_id, _, _ in read), states) for read in self.reads)
        pins = tuple(
            pin._replace(version=None if pin.version is None else states[str(UUID(pin.table_id))].version, stamp=stamp(read))
            for pin, read in zip(self.pins, reads, strict=True)
        )
        return replace(self, pins=pins, reads=reads, fingerprint=_fingerprint(states))

    def versioned(self, relations: str) -> str:
        """Relations with the versions of the live tables in their places."""
        for table_id, version in self._live_versions.items():
            relations = relations.replace(version_of(table_id), str(version))
        return relations

    def current(self, column: MediaColumn) -> MediaColumn:
        """How a grant names a column of live tables now; `column` may be of an earlier version."""
        return column if column.version is None else column._replace(version=self._live_versions[column.table_id])

    @cached_property
    def _live_versions(self) -> dict[str, int]:
        found = (read for read, is_live in zip(self.reads, self.live, strict=True) if is_live)
        return {UUID(table_id).hex: version for read in found for table_id, version, _ in read}


def hold(
    tables: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]], versions: Mapping[str, int], seam: ModuleType | None
) -> Held:
    """What a plan of tables holds on to. Needs the transaction in which it is planned.

    Args:
        tables: as they are read, by path.
        described: what `get_metadata()` says of each.
        versions: those of them that are read as of a version because a ticket says so.
        seam: `seam.plan`, or None where this Pixeltable is not the one we know: then only the pins are known.
    """
    if seam is None:
        return Held(tuple(_pin(path, described[path], versions, _read_by(described[path])) for path in tables))
    reads = tuple(seam.moments(tables.values()))
    pins = tuple(_pin(path, described[path], versions, read) for path, read in zip(tables, reads, strict=True))
    # A snapshot of a table reads that table's rows by itself; its own id tells whether it is still the same one.
    tables_read = sorted({table_id for table_id, _, _ in frozenset().union(*reads)})
    ids = list(dict.fromkeys([*tables_read, *(str(metadata["id"]) for metadata in described.values())]))
    ids += seam.directories(ids)
    states = seam.states(ids)
    live = tuple(seam.is_live(table) and _moments(tables_read, states) >= read for table, read in zip(tables.values(), reads, strict=True))
    return Held(pins, reads, live, tuple(ids), _fingerprint(states), shapes(states))


def _fingerprint(states: Mapping[str, State]) -> Fingerprint:
    return frozenset((key, state.stamp) for key, state in states.items())


def _moments(ids: Iterable[str], states: Mapping[str, State]) -> frozenset[Moment]:
    """The live versions of tables that have any."""
    found = ((table_id, states[table_id].version, states[table_id].made) for table_id in ids)
    return frozenset((table_id, version, made) for table_id, version, made in found if version is not None and made is not None)


def stamp(reads: Iterable[tuple[object, ...]]) -> str:
    """What a pin says of the versions that a table reads."""
    return hashlib.blake2b(repr(sorted(reads)).encode(), digest_size=12).hexdigest()


def _read_by(metadata: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """The versions that a table reads, by Pixeltable's public names: that of a view does not tell that of its base."""
    read: list[tuple[object, ...]] = [(metadata["id"].hex, metadata["version"], metadata["version_created"])]
    return read if metadata["base"] is None else read + _read_by(get_table(metadata["base"]).get_metadata())


def _pin(path: str, metadata: Mapping[str, Any], versions: Mapping[str, int], reads: Iterable[tuple[object, ...]]) -> Pin:
    is_named = ":" in path or not metadata["is_data_versioned"]
    # Of a table that is read as of a version Pixeltable says that it is a snapshot.
    version = versions[path] if path in versions else None if is_named or metadata["is_snapshot"] else metadata["version"]
    return Pin(path, version, metadata["id"].hex, stamp(reads))


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

    def renewed(self, held: Held) -> "Known":
        """The same of the tables as `held.renewed` has them."""
        relations = {
            key: (replace(relation, media={source: held.current(column) for source, column in relation.media.items()}), cells)
            for key, (relation, cells) in list(self.relations.items())  # others learn meanwhile
        }
        return Known(self.infos, held, relations)

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
