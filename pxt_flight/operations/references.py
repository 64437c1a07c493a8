"""Objects of the store as arguments: by their names, in the one form in which the engine has them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from pxt_flight.public_api import MethodOf


def path_of(name: str) -> str:
    """The path of a table or directory, with slashes, in lower case as Pixeltable folds names.

    Args:
        name: with slashes or dots between its parts: `dir/films`, `dir.films`, `/films`; a version may follow: `films:3`.
    """
    return name.strip("/").lower().replace(".", "/")


_Path = Annotated[
    str,
    AfterValidator(path_of),
    Field(description="Path with dots or slashes between its parts.", examples=["films", "dir.films"], min_length=1, max_length=1000),
]
TableRef = _Path
"""A table, view or snapshot; where it is read, `films:3` is an earlier version of it."""
OfTable = Annotated[_Path, MethodOf("Table")]
"""The same as the first argument of what is a method of the table."""
DirectoryRef = Annotated[
    str,
    AfterValidator(path_of),
    Field(description="Path with dots or slashes between its parts; `/` is the root.", examples=["/", "dir"], max_length=1000),
]
"""A directory; empty after validation where it is the root."""
