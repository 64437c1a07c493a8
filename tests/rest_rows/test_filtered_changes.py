"""Changes of the rows that a filter means: by HTTP, by Flight and by the client."""

import json

import pytest
from film_rows import film, path_of

import pxt_flight as pf


def test_over_http(http, films):
    url = f"/api/v1/tables/{path_of(films)}/rows"
    answer = http.patch(url, json={"where": {"score": {"gt": 1}, "name": {"is_null": False}}, "set": {"score": 9.0}, "dry_run": True})
    expected = films.where((films.score > 1) & (films.name != None)).count()  # noqa: E711  # Pixeltable's IS NOT NULL
    assert (answer.status_code, answer.json()["updated"]) == (200, expected)
    assert expected > 0
    text = json.dumps({"meta.lab": "l3"})
    answers = [http.delete(url, params={"where": where}) for where in (text, "meta->>'lab' = 'l2'", text)]
    assert [answer.json()["deleted"] for answer in answers[:1]] == [films_of("l3")]
    assert [answer.json()["deleted"] for answer in answers[1:]] == [films_of("l2"), 0]


def films_of(lab):
    return sum((film(i)["meta"] or {}).get("lab") == lab for i in range(40))


def test_by_the_client(db, films):
    table = db.table(path_of(films))
    assert table.update({"score": 0}, {"id": {"in": [1, 2]}}).updated == 2
    assert table.delete({"or": [{"id": 1}, {"id": {"between": [38, 50]}}]}).deleted == 3
    assert table.delete({"name": {"is_null": True}}, dry_run=True).deleted == films.where(films.name == None).count()  # noqa: E711
    with pytest.raises(pf.InvalidRequestError, match="predicate_required"):
        table.delete({})
    with pytest.raises(pf.InvalidRequestError, match="INVALID_EXPRESSION") as caught:
        table.delete({"id": {"gtt": 1}})
    assert caught.value.where == {"filter": "id.gtt"}
    assert films.count() == 37
