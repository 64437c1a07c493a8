"""What a SELECT may read from: tables with computed columns, views, snapshots, old versions, directories, odd names, indexes."""

import pytest
from comparison import rows_of, same

from pxt_flight.errors import PxtFlightError

TIERS = pytest.mark.parametrize("tier", ["copy", "exec", "cursor"])
ROWS = [{"id": i, "n": None if i % 7 == 3 else i % 5, "s": None if i % 4 == 3 else f"{i}% \\of it's"} for i in range(30)]


@pytest.fixture(scope="module")
def directory(pxt):
    pxt.create_dir("diff_sources")
    yield "diff_sources"
    pxt.drop_dir("diff_sources", force=True)


@pytest.fixture(scope="module")
def base(pxt, directory):
    """A table with stored and unstored computed columns, one of which fails for some rows."""
    from row_functions import backwards, inverse, length

    table = pxt.create_table(f"{directory}.base", {"id": pxt.Int, "n": pxt.Int | None, "s": pxt.String | None})
    table.insert(ROWS)
    table.add_computed_column(inverse=inverse(table.n), on_error="ignore")
    table.add_computed_column(twice=table.n * 2)
    table.add_computed_column(back=backwards(table.s), stored=False)
    table.add_computed_column(chars=length(table.s), stored=False)
    return table


@TIERS
@pytest.mark.parametrize("condition", ["inverse is null", "inverse > 0.3", "not inverse > 0.3", "twice in (2, 4) or inverse = 1"])
def test_stored_computed_columns(base, read, condition, tier):
    """A cell whose function failed is NULL, in the answer and in conditions."""
    predicate = {
        "inverse is null": base.inverse == None,
        "inverse > 0.3": base.inverse > 0.3,
        "not inverse > 0.3": ~(base.inverse > 0.3),
        "twice in (2, 4) or inverse = 1": base.twice.isin([2, 4]) | (base.inverse == 1.0),
    }[condition]
    expected = rows_of(base.where(predicate).select(base.id, base.inverse, base.twice).collect())
    assert expected
    same(expected, read(f"select id, inverse, twice from diff_sources.base where {condition}", tier=tier))


def test_failed_cells_are_null(base, read):
    answer = read("select n, inverse from diff_sources.base order by id", tier="copy").to_pylist()
    assert answer == [{"n": row["n"], "inverse": 1 / row["n"] if row["n"] else None} for row in ROWS]


def test_unstored_columns_take_the_cursor(base, read):
    expected = [(row["id"], row["s"] and row["s"][::-1], None if row["s"] is None else len(row["s"])) for row in ROWS]
    same(expected, read("select id, back, chars from diff_sources.base order by id", tier="cursor"), ordered=True)
    same(rows_of(base.select().collect()), read("select * from diff_sources.base", tier="cursor"))


def test_a_tier_is_chosen_by_what_is_read(base, engine):
    from pxt_flight.engine.scan import Request

    for column, tier in {"id": "copy", "inverse": "copy", "back": "exec", "chars": "exec", "*": "exec"}.items():
        request = Request(f"select {column} from diff_sources.base")
        stream = engine.stream(request, engine.plan(request).pins)
        stream.close()
        assert stream.tier == tier


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("sum(chars)", sum(len(row["s"]) for row in ROWS if row["s"] is not None)),
        ("count(chars)", sum(row["s"] is not None for row in ROWS)),
        ("max(back)", max(row["s"][::-1] for row in ROWS if row["s"] is not None)),
    ],
)
def test_aggregates_of_unstored_columns(base, read, what, expected):
    same([(expected,)], read(f"select {what} from diff_sources.base", tier="cursor"))


def test_arithmetic_of_unstored_columns(base, read):
    expected = [(row["id"], None if row["s"] is None else len(row["s"]) * 2 + row["id"]) for row in ROWS]
    same(expected, read("select id, chars * 2 + id as m from diff_sources.base", tier="cursor"))


@pytest.mark.parametrize(
    "clauses",
    [
        "id from diff_sources.base where back <> 'x'",
        "id from diff_sources.base where back not in ('x')",
        "id from diff_sources.base where back not like 'x%'",
        "id from diff_sources.base where n > 1 and not (chars > 2 or n > 3)",
        "id from diff_sources.base order by back",
        "id, back as b from diff_sources.base order by b",
        "id, chars + 1 as c from diff_sources.base order by 2, 1",
        "chars > 2 as c from diff_sources.base",
    ],
)
def test_conditions_on_unstored_columns_are_refused(base, engine, clauses):
    """Pixeltable would evaluate them in Python: NULL rows pass `not in`, `=` fails inside, and the order is passed over silently."""
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError) as caught:
        engine.plan(Request(f"select {clauses}"))
    assert caught.value.code == "sql_unsupported"
    assert "unstored" in caught.value.message


@pytest.mark.parametrize("clauses", ["distinct chars from diff_sources.base", "count(*) from diff_sources.base group by chars"])
def test_groups_of_unstored_columns_are_refused(base, engine, clauses):
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError) as caught:
        list(engine.stream(Request(f"select {clauses}")).batches)
    assert caught.value.code in ("INVALID_EXPRESSION", "UNSUPPORTED_OPERATION")


@pytest.fixture(scope="module")
def views(pxt, directory, base):
    """A view, a view on it, and a snapshot of that; then the base changes."""
    first = pxt.create_view(f"{directory}.first", base.where(base.n > 0), additional_columns={"note": pxt.String | None})
    first.add_computed_column(sum_=first.n + first.twice)
    second = pxt.create_view(f"{directory}.second", first.where(first.sum_ < 12))
    second.add_computed_column(again=second.sum_ * 10)
    snapshot = pxt.create_snapshot(f"{directory}.frozen", second)
    first.update({"note": "50% 🙂"}, where=first.id < 10)
    base.update({"n": 4}, where=base.id == 1)
    base.delete(where=base.id == 2)
    base.insert([{"id": 100, "n": 1, "s": "late"}])
    return {"first": first, "second": second, "frozen": snapshot}


@TIERS
@pytest.mark.parametrize("columns", ["id, n, twice, sum_, note", "note, id"])
@pytest.mark.parametrize("view", ["first", "second", "frozen"])
def test_views_and_snapshots(views, read, view, columns, tier):
    table = views[view]
    names = columns.split(", ")
    expected = rows_of(table.where(table.id != 6).select(*(table[name] for name in names)).collect())
    assert expected
    same(expected, read(f"select {columns} from diff_sources.{view} where id <> 6", tier=tier))


@TIERS
@pytest.mark.parametrize("view", ["first", "second", "frozen"])
def test_aggregates_of_views(views, functions, read, view, tier):
    table = views[view]
    query = table.group_by(table.n).order_by(table.n).select(table.n, rows=functions.count(1), total=functions.sum(table.sum_))
    answer = read(f"select n, count(*) as rows, sum(sum_) as total from diff_sources.{view} group by n order by n", tier=tier)
    same(rows_of(query.collect()), answer, ordered=True)


def test_a_snapshot_stays(views, read):
    """The base has changed under it; the view follows."""
    frozen = read("select id from diff_sources.frozen order by id", tier="copy")["id"].to_pylist()
    live = read("select id from diff_sources.second order by id", tier="copy")["id"].to_pylist()
    assert 2 in frozen
    assert 2 not in live
    assert 100 in live
    assert 100 not in frozen


@pytest.fixture(scope="module")
def versions(pxt, directory):
    """A table of several versions, with the ids and values that each held."""
    table = pxt.create_table(f"{directory}.versions", {"id": pxt.Int, "v": pxt.Int | None})
    contents = {0: {}}

    def keep(**changes):
        contents[table.get_metadata()["version"]] = dict(changes["rows"])

    rows = {i: i for i in range(10)}
    table.insert({"id": i, "v": v} for i, v in rows.items())
    keep(rows=rows)
    table.update({"v": table.v * 10}, where=table.id < 5)
    keep(rows=(rows := {i: v * 10 if i < 5 else v for i, v in rows.items()}))
    table.delete(where=table.id >= 8)
    keep(rows=(rows := {i: v for i, v in rows.items() if i < 8}))
    table.update({"v": None}, where=table.id == 0)
    keep(rows=(rows := rows | {0: None}))
    table.insert([{"id": 50, "v": 5}])
    keep(rows=rows | {50: 5})
    return contents


@TIERS
@pytest.mark.parametrize("where", ["", " where v > 4", " where v is null or id = 9"])
def test_old_versions(pxt, versions, read, where, tier):
    """Each version holds what it held, whatever came after."""
    assert len(versions) == 6
    keeps = {
        "": lambda i, v: True,
        " where v > 4": lambda i, v: v is not None and v > 4,
        " where v is null or id = 9": lambda i, v: v is None or i == 9,
    }[where]
    for version, content in versions.items():
        expected = [(i, v) for i, v in sorted(content.items()) if keeps(i, v)]
        answer = read(f'select id, v from "diff_sources.versions:{version}"{where} order by id', tier=tier)
        same(expected, answer, ordered=True)
        if not where:
            table = pxt.get_table(f"diff_sources.versions:{version}")
            same(rows_of(table.select(table.id, table.v).collect()), answer)


@TIERS
def test_the_live_version_and_its_number_are_the_same(versions, read, tier):
    live = read("select * from diff_sources.versions order by id", tier=tier)
    assert live.equals(read(f'select * from "diff_sources/versions:{max(versions)}" order by id', tier=tier))


@TIERS
@pytest.mark.parametrize("name", ["diff_sources.a.b.deep", '"diff_sources/a/b/deep"', '"diff_sources/a/b".deep', 'DIFF_SOURCES."A".b.Deep'])
def test_nested_directories(pxt, directory, read, name, tier):
    for path in ("a", "a.b"):
        pxt.create_dir(f"{directory}.{path}", if_exists="ignore")
    table = pxt.create_table(f"{directory}.a.b.deep", {"id": pxt.Int}, if_exists="replace")
    table.insert([{"id": 7}])
    same([(7,)], read(f"select deep.id from {name}" if "." in name and '"' not in name else f"select id from {name}", tier=tier))


@pytest.fixture(scope="module")
def keywords(pxt, directory):
    names = ["end", "Group", "ORDER", "user", "Null", "true", "MixedCase", "timestamp", "c0", "col_0", "table"]
    table = pxt.create_table(f"{directory}.keywords", dict.fromkeys(names, pxt.Int | None))
    table.insert({name: i * 10 + k if (i + k) % 5 else None for k, name in enumerate(names)} for i in range(8))
    return table, [name.lower() for name in names]


@TIERS
def test_columns_named_like_keywords(keywords, read, tier):
    table, names = keywords
    chosen = ", ".join(f'"{name}"' for name in reversed(names))
    answer = read(f'select {chosen} from diff_sources.keywords where "end" > 3 or "ORDER" is null order by "GROUP", "user" desc', tier=tier)
    query = table.where((table["end"] > 3) | (table["order"] == None)).order_by(table["group"]).order_by(table["user"], asc=False)
    same(rows_of(query.select(*(table[name] for name in reversed(names))).collect()), answer, ordered=True)
    assert answer.schema.names == names[::-1]
    same(rows_of(table.select().collect()), read("select * from diff_sources.keywords", tier=tier))


@TIERS
@pytest.mark.parametrize("condition", ["s = $1", "s <> $1", "s < $1", "s >= $1", "s in ($1, 'b')", "s like $1"])
@pytest.mark.parametrize("value", ["b", "y" * 255, "y" * 256, "y" * 257, "y" * 300 + "1", "%"])
def test_indexed_columns(indexed, read, condition, value, tier):
    """Pixeltable's B-tree holds the first 256 characters; no answer may show it."""
    keeps = {
        "s = $1": lambda s: s == value,
        "s <> $1": lambda s: s != value,
        "s < $1": lambda s: s < value,
        "s >= $1": lambda s: s >= value,
        "s in ($1, 'b')": lambda s: s in (value, "b"),
        "s like $1": lambda s: value == "%" or s == value,
    }[condition]
    expected = [(i,) for i, s in enumerate(indexed) if s is not None and keeps(s)]
    same(expected, read(f"select id from diff_sources.indexed where {condition}", [value], tier=tier))


@pytest.fixture(scope="module")
def indexed(pxt, directory):
    # Of one letter each: the order is the same in every collation.
    texts = ["a", "b", None, "y" * 255, "y" * 256, "y" * 257, "y" * 300, "y" * 300 + "1", "y" * 300 + "2", "z"]
    table = pxt.create_table(f"{directory}.indexed", {"id": pxt.Int, "s": pxt.String | None}, has_default_idxs=True)
    table.insert({"id": i, "s": text} for i, text in enumerate([*texts, "deleted"]))
    table.update({"s": "b"}, where=table.id == 0)
    table.update({"s": "a"}, where=table.id == 0)
    table.delete(where=table.s == "deleted")
    return texts
