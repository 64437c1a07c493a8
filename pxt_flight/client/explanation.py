"""How a server would answer a query: `db.sql(...).explain()`."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, repr=False)
class Explanation:
    """How a query is read, and why that way. Printing it shows it as text.

    Attributes:
        tier: how the rows are read: `copy` (the fastest), `psycopg` or `cursor`.
        why: what decided it, in a sentence.
        tables: the path of each table that is read, with the version.
        pixeltable_plan: the steps of Pixeltable's own plan.
        postgres_plan: what Postgres would do; None where it is not asked.
    """

    tier: str
    why: str
    tables: tuple[tuple[str, int | None], ...]
    pixeltable_plan: tuple[str, ...]
    postgres_plan: str | None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> "Explanation":
        """Read the answer of the operation `explain`; what a newer server says beyond it is left out."""
        return cls(
            tier=answer["tier"],
            why=answer["why"],
            tables=tuple((table["path"], table.get("version")) for table in answer.get("tables", ())),
            pixeltable_plan=tuple(answer.get("pixeltable_plan", ())),
            postgres_plan=answer.get("postgres_plan"),
        )

    def __str__(self) -> str:
        tables = ", ".join(path if version is None else f"{path}:{version}" for path, version in self.tables)
        parts = [f"Read by {self.tier}: {self.why}", f"Tables: {tables or 'none'}"]
        if self.pixeltable_plan:
            parts.append(_section("Pixeltable", self.pixeltable_plan))
        if self.postgres_plan:
            parts.append(_section("Postgres", self.postgres_plan.splitlines()))
        return "\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rest = str(self).split("\n")
        # In a div: JupyterLab indents a <pre> that stands by itself.
        return f"<div><strong>{escape(head)}</strong><pre>{escape(chr(10).join(rest))}</pre></div>"


def _section(title: str, lines: Any) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)])
