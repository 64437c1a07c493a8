"""What `explain` shows, from the JSON that the server promises."""

import json

import pytest

import pxt_flight as pf

ANSWER = {
    "tier": "copy",
    "why": "every node and type of the plan is known",
    "tables": [{"path": "dir/films", "version": 3}, {"path": "actors", "version": None}],
    "pixeltable_plan": ["SqlScanNode(films)", "CellReconstructionNode"],
    "postgres_plan": "Seq Scan on tbl\n  Filter: (score < 8 AND name <> '<b>')",
}


@pytest.fixture
def explanation():
    return pf.Explanation.from_answer(json.loads(json.dumps(ANSWER)))


def test_its_parts(explanation):
    assert explanation.tier == "copy"
    assert explanation.why == ANSWER["why"]
    assert explanation.tables == (("dir/films", 3), ("actors", None))
    assert explanation.pixeltable_plan == tuple(ANSWER["pixeltable_plan"])
    assert explanation.postgres_plan == ANSWER["postgres_plan"]


def test_as_text(explanation):
    assert str(explanation) == repr(explanation)
    assert str(explanation).splitlines() == [
        "Read by copy: every node and type of the plan is known",
        "Tables: dir/films:3, actors",
        "Pixeltable:",
        "  SqlScanNode(films)",
        "  CellReconstructionNode",
        "Postgres:",
        "  Seq Scan on tbl",
        "    Filter: (score < 8 AND name <> '<b>')",
    ]


def test_as_html_nothing_of_a_plan_is_markup(explanation):
    html = explanation._repr_html_()
    assert html.startswith("<div><strong>Read by copy: ")
    assert "&lt;&gt; &#x27;&lt;b&gt;&#x27;" in html
    assert "<b>" not in html


def test_a_server_that_says_less_or_more():
    least = pf.Explanation.from_answer({"tier": "cursor", "why": "a view", "postgres_plan": None, "unheard_of": 1})
    assert str(least) == "Read by cursor: a view\nTables: none"


def test_what_is_asked_of_the_server(db, long_lines, monkeypatch):
    asked = []

    def call(action, **arguments):
        asked.append((action, arguments))
        return ANSWER

    result = db.sql("select id from client_lines where id < $1", [3])
    monkeypatch.setattr(db, "_call", call)
    expected = ("pixeltable.explain", {"sql": "select id from client_lines where id < $1", "parameters": [3]})
    assert result.explain() == db.explain("select id from client_lines where id < $1", (3,))
    assert asked == [expected, expected]
    assert result.to_arrow().num_rows == 3
