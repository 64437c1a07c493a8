"""Makes tables through Pixeltable itself, in a process of its own: `python store_maker.py`, on the home of PIXELTABLE_HOME."""

import pixeltable as pxt


def main() -> None:
    """A table with a view on it, a view on that, a snapshot, and a table in a directory."""
    pxt.create_dir("edge_dir", if_exists="ignore")
    base = pxt.create_table("base", {"id": pxt.Int, "name": pxt.String | None})
    base.insert([{"id": number, "name": f"row {number}"} for number in range(3)])
    view = pxt.create_view("edge_dir.odd", base.where(base.id % 2 == 1), additional_columns={"note": pxt.String | None})
    pxt.create_view("above", view)
    pxt.create_snapshot("kept", base)
    pxt.create_table("edge_dir.alone", {"id": pxt.Int})


if __name__ == "__main__":
    main()
