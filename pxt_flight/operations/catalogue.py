"""What is public and not served by itself: Pixeltable's functions, which SQL and computed columns call."""

from pxt_flight.documented import list_in_docs
from pxt_flight.engine.seam.functions import library_functions

for _function in library_functions():
    list_in_docs(_function.name, category=_function.module, signatures=_function.signatures, docstring=_function.docstring)
