"""docs/checklist.md names tests that there are."""

import ast
import re
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
ROWS = dict(re.findall(r"^\| ([EADX]\d+) \| .* \| (.*) \|$", (TREE / "docs" / "checklist.md").read_text(), re.MULTILINE))
FRAMEWORKS = {"fastapi", "starlette", "uvicorn"}


def named_in(path: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_no_row_is_missing() -> None:
    assert set(ROWS) == {*(f"E{number}" for number in range(1, 16)), "A1", "D1", "X4", "X5"}


@pytest.mark.parametrize("row", ROWS)
def test_its_tests_are_there(row: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", ROWS[row])
    assert named
    for path, name in named:
        found = named_in(TREE / path)
        assert name in found if name else found, (path, name)


@pytest.mark.parametrize("package", ["operations", "engine", "access"])
def test_operations_know_no_web_framework(package: str) -> None:
    for path in (TREE / "pxt_flight" / package).rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        imported = {
            name.partition(".")[0]
            for node in nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        }
        assert not imported & FRAMEWORKS, path
