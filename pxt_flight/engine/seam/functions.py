"""Pixeltable's own functions, as its registry has them: what documentation lists."""

import inspect
from dataclasses import dataclass
from typing import Any

from pxt_flight.engine.seam import probe

_LIBRARY = "pixeltable."
_MODULES = "pixeltable.functions."


@dataclass(frozen=True)
class PixeltableFunction:
    """A function of Pixeltable's library.

    Attributes:
        name: its name: `clip`.
        module: below `pixeltable`: `functions.huggingface`.
        signatures: with Pixeltable's types, one for each kind of its arguments: `(text: String, *, model_id: String) -> Array`.
        docstring: what it says of itself.
    """

    name: str
    module: str
    signatures: tuple[str, ...]
    docstring: str


def library_functions() -> list[PixeltableFunction]:
    """The functions of `pixeltable.functions` that Pixeltable documents, by module and name; none where its registry is another."""
    if probe.missing_parts_of_functions():
        return []
    from pixeltable.func import FunctionRegistry

    found = (_described(function) for function in FunctionRegistry.get().list_functions() if function.self_path.startswith(_MODULES))
    return sorted((function for function in found if function.docstring), key=lambda function: (function.module, function.name))


def _described(function: Any) -> PixeltableFunction:
    module, _, name = function.self_path.rpartition(".")
    signatures = tuple(str(signature).replace("pxt.", "") for signature in function.signatures)
    # Not `inspect.getdoc`: where a function says nothing, it answers what its class says.
    return PixeltableFunction(name, module.removeprefix(_LIBRARY), signatures, inspect.cleandoc(function.__doc__ or ""))
