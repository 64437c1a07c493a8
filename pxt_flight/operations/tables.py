"""Tables: what there is."""

from pxt_flight.operations.call import Call
from pxt_flight.public_api import find_operation, public_api


@public_api(http_method="GET", permission="read", raises=("TABLE_NOT_FOUND",))
def list_tables(call: Call, dir_path: str = "/", recursive: bool = True) -> list[str]:
    """List the tables of a directory that this key may read.

    Args:
        call: who asks.
        dir_path: path of the directory with slashes; `/` is the root.
        recursive: whether tables of directories inside are listed too.

    Returns:
        Paths with slashes, sorted.
    """
    call.require("list_tables")
    operation = find_operation("list_tables")
    return [table for table in call.engine.list_tables(dir_path, recursive=recursive) if call.principal.may(operation, table)]
