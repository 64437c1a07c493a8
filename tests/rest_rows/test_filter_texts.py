"""Filters as the text that they become, and what of them is refused; no store is needed."""

import pytest

from pxt_flight.engine import filters, sql
from pxt_flight.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("filter_", "text"),
    [
        ({"name": "Bra'zil"}, "\"name\" = 'Bra''zil'"),
        ({"score": {"ge": -2.5, "lt": 8}}, '("score" >= (- 2.5) AND "score" < 8)'),
        ({"a": 1, "or": [{"b": None}, {"c": True}]}, '("a" = 1 AND ("b" IS NULL OR "c" = TRUE))'),
        ({"not": {"a": {"in": [1, None]}}}, 'NOT ("a" IN (1) OR "a" IS NULL)'),
        ({"a": {"not_in": [1, 2]}}, '"a" NOT IN (1, 2)'),
        ({"a": {"contains": "50%_\\"}}, "\"a\" LIKE '%50\\%\\_\\\\%'"),
        ({'"and"': 1, '"a ""b"': 2}, '("and" = 1 AND "a ""b" = 2)'),
        ({'meta."a.b".0': {"is_null": True}}, "jsonb_extract_path_text(\"meta\", 'a.b', '0') IS NULL"),
        ({"a": {"ne": None}}, 'NOT "a" IS NULL'),
        ({"a": {"in": []}}, "FALSE"),
    ],
)
def test_the_condition_of_a_filter(filter_, text):
    written = filters.predicate(filter_)
    assert written == text
    sql.parse(f'SELECT 1 FROM "t" WHERE {written}')


@pytest.mark.parametrize(
    ("filter_", "place", "said"),
    [
        ({"score": {"gtt": 8}}, "score.gtt", "Did you mean gt?"),
        ({"or": [{"a": 1}, {"score": {"zzz": 8}}]}, "or.1.score.zzz", "eq, ne, lt"),
        ({"and": []}, "and", "list of filters"),
        ({"or": [{}]}, "or.0", "A filter is an object"),
        ({"not": 3}, "not", "A filter is an object"),
        ({"a": {}}, "a", "no operator"),
        ({"a": [1]}, "a.eq", "texts, numbers"),
        ({"a": {"in": 3}}, "a.in", "a list of values"),
        ({"a": {"between": [1]}}, "a.between", "two values"),
        ({"a": {"gt": None}}, "a.gt", "not null"),
        ({"a": {"like": 3}}, "a.like", "a text"),
        ({"a": {"is_null": 1}}, "a.is_null", "true or false"),
        ({"a..b": 1}, "a..b", "path"),
        ({"": 1}, "", "path"),
        ({"meta.n": float("nan")}, "meta.n.eq", "JSON"),
    ],
)
def test_a_filter_that_is_at_fault_says_where(filter_, place, said):
    with pytest.raises(InvalidRequestError) as caught:
        filters.predicate(filter_)
    assert (caught.value.code, caught.value.where) == ("INVALID_EXPRESSION", {"filter": place})
    assert said in str(caught.value)


def test_how_large_a_filter_may_be():
    widest = {"or": [{"id": i} for i in range(1000)]}
    assert sql.parse(f'SELECT 1 FROM "t" WHERE {filters.predicate(widest)}').tables == ("t",)
    assert filters.predicate({"id": {"in": list(range(1000))}}).count(",") == 999
    deepest = {"a": 1}
    for _ in range(31):
        deepest = {"not": deepest}
    sql.parse(f'SELECT 1 FROM "t" WHERE {filters.predicate(deepest)}')
    for wrong, said in (({"or": [*widest["or"], {"id": 0}]}, "1000 values"), ({"not": deepest}, "32 deep")):
        with pytest.raises(InvalidRequestError, match=said):
            filters.predicate(wrong)
