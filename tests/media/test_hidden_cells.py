"""Links to media of rows that are deleted softly."""

import pytest
from PIL import Image


@pytest.fixture
def posters(db, pxt, make_table, tmp_path):
    """Three rows with a picture, and a view with a smaller one that is stored nowhere."""
    for number in range(3):
        Image.new("RGB", (40, 40), (number * 90, 0, 0)).save(tmp_path / f"{number}.png")
    made = make_table({"id": pxt.Int, "img": pxt.Image}, [{"id": i, "img": str(tmp_path / f"{i}.png")} for i in range(3)])
    path = made.get_metadata()["path"]
    pxt.create_view(f"{path}_small", made, additional_columns={"small": {"value": made.img.resize((4, 4)), "stored": False}})
    table = db.table(path)
    table.enable_soft_delete()
    yield table
    pxt.drop_table(f"{path}_small", if_not_exists="ignore")


def links(db, table, column, **options):
    found = db.sql(f"select id, {column} from {table} order by id", media="url", **options).to_arrow()
    return dict(zip(found["id"].to_pylist(), found[column].to_pylist(), strict=True))


def test_links_to_media(db, posters, web):
    """A link to a row that is deleted softly leads nowhere, unless it was made by who reads such rows; restored, it leads there again."""
    places = [(posters.source(), "img"), (f'"{posters.name}_small"', "img"), (f'"{posters.name}_small"', "small")]
    before = [links(db, *place)[1] for place in places]
    assert [web.get(link).status_code for link in before] == [200] * 3
    posters.delete("id = 1", soft=True)
    assert [web.get(link).json()["code"] for link in before] == ["media_not_found"] * 3
    after = [links(db, *place) for place in places]
    assert [sorted(found) for found in after] == [[0, 2]] * 3
    including = [links(db, *place, include_deleted=True)[1] for place in places]
    assert [web.get(link).status_code for link in including] == [200] * 3
    # Who has a link to another row cannot make one to this row of it.
    made_up = [found[0].rpartition("/")[0] + "/" + link.rpartition("/")[2] for found, link in zip(after, including, strict=True)]
    assert [web.get(link).status_code for link in made_up] == [404] * 3
    posters.restore("id = 1")
    assert [web.get(link).status_code for link in before] == [200] * 3
