"""`make docs`: runs the examples on a server of their own, and writes every projection."""

import tempfile
from pathlib import Path

from pxt_flight.operations.dispatch import import_operations
from pxt_flight.reference import examples, pages
from pxt_flight.reference.example_calls import EXAMPLES
from pxt_flight.reference.projections import PROJECTIONS, TREE, project
from pxt_flight.server import running_server


def run_examples(home: Path) -> str:
    """What the examples are answered by a server on a new home, as the file that is committed."""
    with running_server(examples.settings(home)) as server:
        guide = examples.Guide(server.http_url, server.key)
        try:
            return examples.recorded((action, guide.run(action)) for action in EXAMPLES)
        finally:
            guide.close()


def main() -> None:
    """Write all files; a page that no projection makes any more is removed."""
    import_operations()
    with tempfile.TemporaryDirectory() as folder:
        _write({examples.PATH: run_examples(Path(folder))})
    made = {path: text for name in PROJECTIONS for path, text in project(name).items()}
    for page in (TREE / pages.FOLDER).glob("*.md"):
        if str(page.relative_to(TREE)) not in made and page.read_text(encoding="utf-8").startswith(pages.GENERATED):
            page.unlink()
    _write(made)


def _write(files: dict[str, str]) -> None:
    for path, text in files.items():
        target = TREE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
