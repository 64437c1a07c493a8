"""What is made from the registry is committed as it is made: after a change of an operation, `make docs`."""

from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
NAMES = ["client", "coverage", "functions", "outline", "pages", "permissions", "typescript"]

pytestmark = pytest.mark.usefixtures("store")  # Pixeltable is imported: its home must be known


@pytest.mark.parametrize("name", NAMES)
def test_it_is_as_committed(name):
    from pxt_flight.reference.projections import project

    made = project(name)
    assert made
    for path, text in made.items():
        assert (TREE / path).read_text(encoding="utf-8") == text, f"{path} is another: make docs"


def test_all_are_compared():
    from pxt_flight.reference.projections import PROJECTIONS

    assert list(PROJECTIONS) == NAMES


def test_no_page_is_left_over():
    from pxt_flight.reference import pages
    from pxt_flight.reference.projections import PROJECTIONS, project

    made = {path for name in PROJECTIONS for path in project(name)}
    generated = {page for page in (TREE / pages.FOLDER).glob("*.md") if page.read_text(encoding="utf-8").startswith(pages.GENERATED)}
    assert {str(page.relative_to(TREE)) for page in generated} <= made
