"""The reader of docstrings."""

from pxt_flight.docstrings import parse

SAID = """List things.

More about it,
in two lines.

    code()

Args:
    first: one that is said
        in two lines: here.
    second, third: both.

Returns:
    Things,
    sorted.

Raises:
    KeyError: none.
"""


def test_the_parts():
    found = parse(SAID)
    assert found.summary == "List things."
    assert found.text == "More about it,\nin two lines.\n\n    code()"
    assert found.entries == {"first": "one that is said in two lines: here.", "second": "both.", "third": "both."}
    assert found.returns == "Things, sorted."


def test_a_summary_alone():
    found = parse("List things.")
    assert (found.summary, found.text, found.entries, found.returns) == ("List things.", "", {}, "")
    assert parse("").summary == ""
