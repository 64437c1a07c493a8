"""`docs/reference/permissions.md`: which permission each operation takes."""

from pxt_flight.public_api import PERMISSIONS, Operation
from pxt_flight.reference.markdown import code, page, table
from pxt_flight.reference.pages import FOLDER, GENERATED, anchor, heading

PATH = f"{FOLDER}/permissions.md"
_ORDER = ("read", "write", "delete", "schema", "udf", "admin")
_INTRODUCTION = """\
# Permissions

A key may do what its permissions say, on the tables that it names; what it may not see does not exist for it (`TABLE_NOT_FOUND`). An
operation that reads tables beside its own, as a condition with a subquery does, takes `read` for each of them.
"""


def render(operations: tuple[Operation, ...]) -> str:
    """The matrix.

    Args:
        operations: of the registry.
    """
    assert set(_ORDER) == PERMISSIONS
    served = sorted(
        (operation for operation in operations if operation.endpoint), key=lambda operation: (operation.category, operation.name)
    )
    rows = [(_link(operation), *("x" if operation.permission == name else "" for name in _ORDER)) for operation in served]
    return page(GENERATED, _INTRODUCTION, table(("Operation", *map(code, _ORDER)), rows))


def _link(operation: Operation) -> str:
    return f"[`{heading(operation)}`]({operation.category}.md#{anchor(heading(operation))})"
