"""Random expressions: as they are written and through the engine they answer the same, or both refuse them."""

from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from plain_postgres import same_answer
from random_expressions import expressions

from pxt_flight.errors import PxtFlightError

REFUSALS = {"sql_syntax", "sql_unsupported", "TYPE_MISMATCH", "INVALID_ARGUMENT", "INVALID_EXPRESSION", "type_unsupported"}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(expression=expressions)
def test_a_random_expression(raw, ask, expression):
    statement = f"SELECT m.id, {expression}\n AS v FROM movie AS m WHERE m.id < 30 ORDER BY m.id"
    try:
        rows = raw.execute(statement).fetchall()
    except psycopg.errors.SyntaxError:
        return  # such as `a < b < c`, which the engine may read as it is meant
    except psycopg.Error:
        with pytest.raises(PxtFlightError) as caught:
            ask(statement)
        assert caught.value.code in REFUSALS
        return
    try:
        answer = ask(statement)
    except PxtFlightError as refusal:
        # A numeric goes out with 20 digits before its point.
        assert refusal.code == "INVALID_ARGUMENT"  # noqa: PT017
        assert any(isinstance(value, Decimal) and not abs(value) < 10**20 for _, value in rows)
    else:
        same_answer(raw, statement, answer)
