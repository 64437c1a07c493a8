"""Pixeltable itself in a process of its own: `create` makes the tables of the fault tests, `insert` writes one as fast as it can.

foreign_writer.py create                                  prints the ids of the tables
foreign_writer.py insert TABLE FIRST WRITES ROWS          waits for a line, then inserts, ids from FIRST on
"""

import json
import sys

import pixeltable as pxt


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def create() -> None:
    keyed = pxt.create_table("keyed", {"id": pxt.Int, "text": pxt.String}, primary_key="id")
    keyed.insert([{"id": i, "text": "old"} for i in range(10)])
    shared = pxt.create_table("shared", {"id": pxt.Int, "who": pxt.String})
    say(json.dumps({table.get_metadata()["path"]: table.get_metadata()["id"].hex for table in (keyed, shared)}))


def insert(name: str, first: int, writes: int, rows: int) -> None:
    table = pxt.get_table(name)
    table.count()
    say("ready")
    sys.stdin.readline()
    for number in range(writes):
        table.insert([{"id": first + number * rows + row, "who": "foreign"} for row in range(rows)])


if __name__ == "__main__":
    pxt.init()
    if sys.argv[1] == "create":
        create()
    else:
        insert(sys.argv[2], *map(int, sys.argv[3:]))
