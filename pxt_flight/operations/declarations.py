"""Declared columns as arguments."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pxt_flight.engine.schemas import ColumnSpec
from pxt_flight.errors import error

_COMPUTED = frozenset({"value", "expression", "computed_with"})


def _refuse_computed(said: Any) -> Any:
    if isinstance(said, dict) and said.keys() & _COMPUTED:
        hint = "Leave it out, and add it with Pixeltable's own add_computed_column."
        raise error("UNSUPPORTED_OPERATION", "Computed columns cannot be declared here.", hint=hint)
    return said


ColumnDeclaration = Annotated[str | ColumnSpec, BeforeValidator(_refuse_computed)]
Schema = Annotated[
    dict[str, ColumnDeclaration],
    Field(
        description="The columns by name, in order: a type as Pixeltable prints it, or that with more.",
        examples=[{"id": "Int", "name": "String | None", "photo": {"type": "Image", "nullable": True, "comment": "as it was sent"}}],
    ),
]
