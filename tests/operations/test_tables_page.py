"""The examples of the guide to tables run as they stand there, and answer what stands there."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
_EXAMPLE = re.compile(r"```bash\n(?P<commands>.*?)```\n(?:```json\n(?P<answer>.*?)```)?", re.DOTALL)


@pytest.fixture
def cinema(pxt):
    pxt.drop_dir("cinema", force=True, if_not_exists="ignore")
    yield "cinema"
    pxt.drop_dir("cinema", force=True, if_not_exists="ignore")


def test_the_examples_of_the_page(server, cinema, tmp_path):
    examples = list(_EXAMPLE.finditer(PAGE.read_text()))
    assert len(examples) > 10
    for example in examples:
        commands = example["commands"].replace("curl -sS", "curl -sS --fail-with-body -w '\\n'")
        environment = os.environ | {"URL": server.http_url, "KEY": server.key}
        ran = subprocess.run(["bash", "-e", "-c", commands], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, (commands, ran.stdout, ran.stderr)
        if example["answer"] is not None:
            assert json.loads(ran.stdout.splitlines()[-1]) == json.loads(example["answer"])


def test_what_was_changed_is_seen_at_once(over_http, pxt, place, db):
    """Plans and descriptions that are kept see a change of schema by themselves."""
    table = pxt.create_table(f"{place}/t", {"a": pxt.Int})
    table.insert([{"a": 1}])

    def read(path):
        return db.sql(f'select * from "{path}"').to_arrow().to_pydict()

    assert read(f"{place}/t") == {"a": [1]}
    over_http("Table.add_column", table_path=f"{place}/t", schema={"b": "Int | None"})
    assert read(f"{place}/t") == {"a": [1], "b": [None]}
    over_http("Table.rename_column", table_path=f"{place}/t", column="b", new_name="c")
    assert read(f"{place}/t") == {"a": [1], "c": [None]}
    over_http("move_table", path=f"{place}/t", new_path=f"{place}/u")
    assert read(f"{place}/u") == {"a": [1], "c": [None]}
    over_http("Table.drop_column", table_path=f"{place}/u", column="a")
    assert read(f"{place}/u") == {"c": [None]}
    over_http("create_table", path=f"{place}/u", schema={"d": "String"}, if_exists="replace")
    assert read(f"{place}/u") == {"d": []}
    over_http("drop_table", path=f"{place}/u")
    assert f"{place}/u" not in db.tables()
