"""The proof that nothing is rewritten on its way: what a statement answers as it is written is what it answers through the engine."""

import re

import pytest
import roundtrip_expressions
import roundtrip_statements
from plain_postgres import same_answer

from pxt_flight.errors import PxtFlightError

# Beside each value its text: that shows the scale of a numeric and the blanks of a char, which Arrow does not.
ROWS = "SELECT m.id, {0}\n AS v, (({0}\n))::text AS s FROM movie AS m WHERE m.id < 40 ORDER BY m.id"


@pytest.mark.parametrize(
    "expression",
    [expression for _, expression in roundtrip_expressions.EXPRESSIONS],
    ids=[f"{name} {e}" for name, e in roundtrip_expressions.EXPRESSIONS],
)
def test_an_expression(raw, ask, expression):
    statement = ROWS.format(expression)
    same_answer(raw, statement, ask(statement))


@pytest.mark.parametrize("statement", roundtrip_statements.ALL)
def test_a_statement(raw, ask, statement):
    same_answer(raw, statement, ask(statement))


# Valid in Postgres, and refused: what is refused is said, never read as something else.
REFUSED = {
    "1_000": "sql_syntax",
    "0x1F": "sql_unsupported",
    "0o17": "sql_syntax",
    "x'1F'": "sql_unsupported",
    "b'101'": "sql_unsupported",
    "E'a\\nb'": "sql_unsupported",
    "U&'\\0061'": "sql_unsupported",
    "N'abc'": "sql_unsupported",
    "@ -5": "sql_unsupported",
    "m.name ^@ 'A'": "sql_unsupported",
    "m.name ~~ 'A%'": "sql_unsupported",
    "m.name !~~* 'a%'": "sql_unsupported",
    "m.seen is true::text": "sql_syntax",
    "(m).id": "sql_unsupported",
    "m.votes operator(pg_catalog.+) 1": "sql_unsupported",
    "pg_catalog.upper(m.name)": "sql_unsupported",
    "m.name is normalized": "sql_syntax",
    "interval '1.23456' second(2)": "sql_syntax",
    "make_interval(hours := 3)": "sql_unsupported",
    "'abc'::\"char\"": "sql_unsupported",
    "substring(m.name similar 'A' escape '#')": "sql_syntax",
    'm.name collate pg_catalog."C"': "sql_unsupported",
}
# No SQL of Postgres, but of some other dialect.
FOREIGN = {
    "5x": "sql_syntax",
    "'a' 'b'": "sql_syntax",
    "interval 3 day": "TYPE_MISMATCH",
    "interval m.votes day": "sql_syntax",
    "5 // 2": "sql_syntax",
    "2 ** 3": "sql_syntax",
    "if(true, 1, 2)": "sql_unsupported",
    "ifnull(1, 2)": "sql_unsupported",
    "try_cast('1' as int)": "sql_unsupported",
    "{'a': 1}": "sql_unsupported",
    "x -> x + 1": "COLUMN_NOT_FOUND",
    '"Upper"(m.name)': "sql_unsupported",
    "m.id::tinyint": "sql_unsupported",
}


@pytest.mark.parametrize(("expression", "code"), (REFUSED | FOREIGN).items())
def test_what_is_not_served_is_refused(ask, expression, code):
    with pytest.raises(PxtFlightError) as caught:
        ask(f"SELECT {expression} FROM movie AS m")
    assert caught.value.code == code


def test_the_corpora_use_every_function():
    from pxt_flight.engine import grammar

    text = "\n".join([*roundtrip_statements.ALL, *(expression for _, expression in roundtrip_expressions.EXPRESSIONS)]).lower()
    called = set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", text)) | set(re.findall(r"\b(current_\w+|local\w+)\b", text))
    assert set(grammar._FUNCTIONS) - called == set()
    assert len(roundtrip_expressions.EXPRESSIONS) + len(roundtrip_statements.ALL) >= 250
