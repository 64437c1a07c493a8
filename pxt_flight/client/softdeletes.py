"""Rows of a table that are hidden, and come back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pxt_flight.client.writes import Writes
from pxt_flight.client.written import Written


class SoftDeletes:
    """What a table does about rows that are deleted softly, beside `Table.delete(soft=True)`."""

    name: str
    _call: Callable[..., Any]
    _writes: Writes

    def enable_soft_delete(self) -> None:
        """Let rows be deleted softly: the table gets a column `deleted_at`, shown by `scan(include_deleted=True)` only.

        Raises:
            ConflictError: `INVALID_STATE`, the table has a column of that name.
            PxtFlightError: what the server says.
        """
        self._call("table.enable_soft_delete", table_path=self.name)

    def disable_soft_delete(self, *, purge: bool = False) -> int:
        """Let no more rows be deleted softly; the column goes. Answers how many rows were deleted for good.

        Args:
            purge: delete the rows for good that are deleted softly; else there must be none.

        Raises:
            ConflictError: `INVALID_STATE`, rows are deleted softly.
            PxtFlightError: what the server says.
        """
        return int(self._call("table.disable_soft_delete", table_path=self.name, purge=purge)["purged"])

    def restore(
        self,
        where: str | Mapping[str, Any] | None = None,
        parameters: Sequence[Any] = (),
        *,
        row_ids: Sequence[int] | None = None,
        max_affected: int | None = None,
        dry_run: bool = False,
        all_rows: bool = False,
        idempotency_key: str | None = None,
    ) -> Written:
        """Show rows again that were deleted softly, as one version; `Written.updated` says how many.

            films.restore("deleted_at > now() - interval '1 hour'")

        Args:
            where: a SQL condition, with placeholders `$1`, `$2`, ..., or a filter, as of `Table.delete`.
            parameters: the values of the placeholders, in order.
            row_ids: row ids instead of a condition.
            max_affected: restore nothing where more rows than these would be.
            dry_run: count the rows, and restore none.
            all_rows: without a condition: restore all of them.
            idempotency_key: as of `Table.insert`.

        Raises:
            InvalidRequestError: `predicate_required`, neither a condition, row ids nor `all_rows`.
            ConflictError: `INVALID_STATE`, the table is not enabled for it; `too_many_affected`.
            PxtFlightError: what the server says; nothing was restored.
        """
        return self._writes.call(
            "table.restore",
            table_path=self.name,
            where=where,
            parameters=list(parameters),
            row_ids=None if row_ids is None else list(row_ids),
            max_affected=max_affected,
            dry_run=dry_run,
            all_rows=all_rows,
            idempotency_key=idempotency_key,
        )
