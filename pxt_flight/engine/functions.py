"""Pixeltable's functions in SQL: a fixed table of them, and how each is built from checked arguments.

Names are found in the table only, never looked up anywhere else. All of them are computed by Pixeltable, but those of embedding indexes
run in Postgres.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pixeltable import exceptions as pxt_errors
from sqlglot import exp

from pxt_flight.engine.constants import Constant
from pxt_flight.engine.grammar import PIXELTABLE_FUNCTIONS, position
from pxt_flight.engine.thumbnails.bounds import MAX_PIXELS
from pxt_flight.engine.types import parse_type
from pxt_flight.errors import CODES, PxtFlightError, error

_SIDE = range(1, 65_536)
_PLACE = range(-65_535, 65_536)
_MAX_TEXT = 10_000  # characters; models of embeddings read a few hundred words
_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"})
_KINDS = {
    "image": frozenset({"Image"}),
    "column": frozenset({"String", "Image", "Video", "Audio", "Document"}),
}


@dataclass(frozen=True)
class Function:
    """A function of Pixeltable.

    Attributes:
        arguments: by name: a range of whole numbers, a set of texts, `str`, or a kind of expression.
        build: from the arguments to Pixeltable's expression.
        pixels: of the pictures that it makes, by its constants; 0 where it makes none larger than its argument.
        in_postgres: whether Pixeltable computes it in SQL, with SQL's NULL.
    """

    arguments: dict[str, Any]
    build: Callable[..., Any]
    pixels: Callable[..., int] = lambda *_: 0
    in_postgres: bool = False


def _cropped_pixels(left: int, upper: int, right: int, lower: int) -> int:
    return (right - left) * (lower - upper) if right > left and lower > upper else -1


def _crop(image: Any, left: int, upper: int, right: int, lower: int) -> Any:
    return image.crop((left, upper, right, lower))


_SIZE = {"width": _SIDE, "height": _SIDE}
_BOX = {"left": _PLACE, "upper": _PLACE, "right": _PLACE, "lower": _PLACE}
FUNCTIONS: dict[str, Function] = {
    "similarity": Function({"column": "column", "text": str}, lambda column, text: column.similarity(string=text), in_postgres=True),
    "embedding": Function({"column": "column"}, lambda column: column.embedding(), in_postgres=True),
    "resize": Function(
        {"image": "image", **_SIZE}, lambda image, width, height: image.resize((width, height)), lambda width, height: width * height
    ),
    "rotate": Function({"image": "image", "angle": range(-360, 361)}, lambda image, angle: image.rotate(angle)),
    "crop": Function({"image": "image", **_BOX}, _crop, _cropped_pixels),
    "convert": Function({"image": "image", "mode": _MODES}, lambda image, mode: image.convert(mode)),
    "width": Function({"image": "image"}, lambda image: image.width),
    "height": Function({"image": "image"}, lambda image: image.height),
    "mode": Function({"image": "image"}, lambda image: image.mode),
}
assert FUNCTIONS.keys() == PIXELTABLE_FUNCTIONS


def in_python(node: exp.Expr) -> bool:
    """Whether something in a part of a statement is computed by Pixeltable in Python, where NULL is None."""
    return any(not FUNCTIONS[name].in_postgres for name in _names(node))


def needs_index(node: exp.Expr) -> bool:
    """Whether a part of a statement reads an embedding index, of which only the live table has any."""
    return any(FUNCTIONS[name].in_postgres for name in _names(node))


def is_similarity(expression: Any) -> bool:
    """Whether an expression is the similarity of an index, by which Postgres finds the nearest rows with that index."""
    return not expression.is_column_ref and expression.default_column_name() == "similarity"


def call(node: exp.Anonymous, operands: Sequence[Any]) -> Any:
    """Pixeltable's expression for a call of one of its functions.

    Args:
        node: the call.
        operands: its arguments: expressions, or a `Constant`.

    Raises:
        InvalidRequestError: an argument is missing, too many, of another type or out of bounds; each with its place.
    """
    name = node.name.lower()
    function = FUNCTIONS[name]
    if len(operands) != len(function.arguments):
        raise _fault(node, name, "INVALID_ARGUMENT", f"takes {len(function.arguments)} arguments, not {len(operands)}")
    arguments = [
        _checked(part if position(part) else node, name, wanted, kind, operand)
        for part, (wanted, kind), operand in zip(node.expressions, function.arguments.items(), operands, strict=True)
    ]
    pixels = function.pixels(*arguments[1:])
    if pixels > MAX_PIXELS:
        raise _fault(node, name, "INVALID_ARGUMENT", f"makes pictures of at most {MAX_PIXELS // 1_000_000} million pixels")
    if pixels < 0:
        raise _fault(node, name, "INVALID_ARGUMENT", "needs right beyond left and lower beyond upper")
    try:
        return function.build(*arguments)
    except pxt_errors.Error as fault:
        code = fault.error_code.name
        said = "reads an embedding index that the column does not have, or not for texts" if function.in_postgres else "cannot be computed"
        raise _fault(node, name, code if code in CODES else "INVALID_ARGUMENT", said) from fault


def _names(node: exp.Expr) -> list[str]:
    return [found.name.lower() for found in node.find_all(exp.Anonymous) if found.name.lower() in FUNCTIONS]


def _checked(node: exp.Expr, name: str, wanted: str, kind: Any, operand: Any) -> Any:
    """An argument that is what the function takes."""
    value = operand.value if isinstance(operand, Constant) else None
    if isinstance(kind, str):
        found = None if isinstance(operand, Constant) else parse_type(str(operand.col_type)).name
        if found not in _KINDS[kind] or (kind == "column" and not operand.is_column_ref):
            raise _fault(node, name, "TYPE_MISMATCH", f"takes {'a column' if kind == 'column' else 'an image'} as {wanted}")
        return operand
    if not isinstance(operand, Constant):
        raise _fault(node, name, "TYPE_MISMATCH", f"takes a constant or a parameter as {wanted}")
    if isinstance(kind, range):
        if type(value) is not int:
            raise _fault(node, name, "TYPE_MISMATCH", f"takes a whole number as {wanted}")
        if value not in kind:
            raise _fault(node, name, "INVALID_ARGUMENT", f"takes {kind.start} to {kind.stop - 1} as {wanted}")
        return value
    if not isinstance(value, str):
        raise _fault(node, name, "TYPE_MISMATCH", f"takes a text as {wanted}")
    if isinstance(kind, frozenset) and value not in kind:
        raise _fault(node, name, "INVALID_ARGUMENT", f"takes {', '.join(sorted(kind))} as {wanted}")
    if len(value) > _MAX_TEXT:
        raise _fault(node, name, "INVALID_ARGUMENT", f"takes at most {_MAX_TEXT} characters as {wanted}")
    return value


def _fault(node: exp.Expr, name: str, code: str, said: str) -> PxtFlightError:
    return error(code, f"{name}() {said}.", hint=f"{name}({', '.join(FUNCTIONS[name].arguments)})", where=position(node))
