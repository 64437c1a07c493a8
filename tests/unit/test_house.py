"""The house rules that no linter knows: sizes, and the one door to Pixeltable's private parts."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("pxt_flight", "benchmarks", "tests") for path in (TREE / folder).rglob("*.py"))
# What Pixeltable documents; every other module of it is private and may move in any release.
PUBLIC = {"pixeltable", "pixeltable.functions", "pixeltable.exceptions"}
SEAM = TREE / "pxt_flight" / "engine" / "seam"


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function, its docstring left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TREE)))
def test_sizes(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 400 or lines[0].startswith("# Generated from ")
    assert [(name, length) for name, length in functions(path) if length > 50] == []


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.is_relative_to(TREE / "pxt_flight")], ids=lambda path: str(path.relative_to(TREE))
)
def test_only_the_seam_names_private_parts(path: Path) -> None:
    private = {name for name in imports(path) if name.split(".")[0] == "pixeltable"} - PUBLIC
    assert path.is_relative_to(SEAM) or private == set()
