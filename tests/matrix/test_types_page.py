"""The committed page is the table that the other tests prove, and has no empty cell."""

from type_table import ROWS, Reason
from types_page import PAGE, render


def test_the_page_is_of_the_table():
    assert PAGE.read_text(encoding="utf-8") == render(), "write it anew: make docs"


def test_no_cell_is_empty():
    lines = [line for line in render().splitlines() if line.startswith("|")]
    assert len(lines) == 2 * (len(ROWS) + 2)
    assert all(cell.strip() for line in lines for cell in line.strip("|").split(" | "))


def test_every_reason_says_why():
    reasons = [reason for row in ROWS for reason in row.reasons.values()]
    assert all(isinstance(reason, Reason) and reason.text.endswith(".") for reason in reasons)
