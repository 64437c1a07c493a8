# Generated from the registry of operations by `make docs`; written by hand it would be overwritten.
"""The operations of the server as methods: those that the client has nothing to add to.

A class has none of the methods that `Database` or `Table` have by hand.
"""

from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypedDict

from pxt_flight.client.twins import twin
from pxt_flight.client.writes import Writes


class Bounds(TypedDict):
    """How much at once.

    Attributes:
        page_rows: rows that one answer may hold as JSON.
        insert_rows: rows that one request may bring as JSON.
        json_body_bytes: bytes of a body of JSON.
        upload_bytes: bytes of the rows of one write as Arrow, or with files.
        query_rows: rows that one query may answer as Arrow.
        query_bytes: bytes of Arrow data that it may answer.
        query_seconds: seconds that it may take.
        thumbnail_pixels: of the long side of a thumbnail.
    """

    page_rows: int
    insert_rows: int
    json_body_bytes: int
    upload_bytes: int
    query_rows: int
    query_bytes: int
    query_seconds: float
    thumbnail_pixels: int


class Capabilities(TypedDict):
    """What a server is and can do.

    Attributes:
        version: of pxt-flight.
        pixeltable_version: of Pixeltable.
        api_versions: of the operations.
        arrow_version: of Arrow.
        reads_slower_because: why queries are not read the fast way; null where they are.
        writes_slower_because: why rows are not written the fast way; null where they are.
        limits: how much at once.
        media: how media values may be sent.
        features: what some servers have and others do not, and whether this one does.
        permissions: what the key may do.
        operations: the names of those that it may call, by category.
    """

    version: str
    pixeltable_version: str
    api_versions: list[str]
    arrow_version: str
    reads_slower_because: str | None
    writes_slower_because: str | None
    limits: Bounds
    media: list[str]
    features: dict[str, bool]
    permissions: list[str]
    operations: dict[str, list[str]]


class ColumnInfo(TypedDict):
    """A column of a table.

    Attributes:
        name: its name.
        type: its type as Pixeltable prints it: `Image['RGB'] | None`.
        nullable: whether it may hold NULL.
        is_primary_key: whether it is of the primary key.
        is_computed: whether Pixeltable computes it.
        computed_with: the expression that it is computed with; None where it is not, or where that names a file.
        is_stored: whether its values are stored, or computed when they are read.
        media: what a cell is, image, video, audio or document; None where it is no file.
        comment: what it is for.
    """

    name: str
    type: str
    nullable: bool
    is_primary_key: bool
    is_computed: bool
    computed_with: str | None
    is_stored: bool
    media: Literal["image", "video", "audio", "document"] | None
    comment: str | None


class ColumnSpec(TypedDict):
    """A column as a request declares it.

    Attributes:
        type: Pixeltable's type: `Int`, `String | None`, `Image['RGB']`, `Array[(3, None), float32]`.
        nullable: whether it may hold NULL; default what the type says.
        comment: what it is for.
    """

    type: str
    nullable: NotRequired[bool | None]
    comment: NotRequired[str | None]


class DirectoryContents(TypedDict):
    """What is in a directory.

    Attributes:
        path: of the directory; empty for the root.
        directories: the paths of the directories in it, sorted.
        tables: the paths of the tables, views and snapshots in it, sorted.
    """

    path: str
    directories: list[str]
    tables: list[str]


class Exported(TypedDict):
    """What was exported.

    Attributes:
        path: its name in the folder for exports, or `s3://bucket/key`.
        rows: how many.
        bytes: of the file.
        version: of the table that was read; null where it has none.
    """

    path: str
    rows: int
    bytes: int
    version: int | None


class FoundRow(TypedDict):
    """A row.

    Attributes:
        row: its values by column, in the forms of rows in JSON; null where it is one that the client has (`if_none_match`).
        row_id: its row id, `7` or `7.3`; null where the table has none.
        etag: names its version: another as soon as somebody writes the row.
    """

    row: dict[str, Any] | None
    row_id: str | None
    etag: str


class Health(TypedDict):
    """That a process answers.

    Attributes:
        status: `ok`.
        version: of pxt-flight.
    """

    status: Literal["ok"]
    version: str


class IndexInfo(TypedDict):
    """An index of a table.

    Attributes:
        name: its name.
        columns: those that it is of.
        kind: `btree` or `embedding`.
        metric: of an embedding index: cosine, ip or l2.
        precision: of an embedding index: fp16 or fp32.
        function: what computes the embedding; None where that names a file.
    """

    name: str
    columns: list[str]
    kind: str
    metric: str | None
    precision: str | None
    function: str | None


class RowWritten(TypedDict):
    """What a write of one row did.

    Attributes:
        kind: of write.
        table: the path of the table.
        version: the newest version that it made; the live one where it changed nothing, 0 where the table has no versions.
        inserted: rows that came.
        updated: rows that changed, or were restored.
        deleted: rows that went, softly or for good.
        rejected: rows that were sent and left out.
        errors: computed or media cells that failed.
        first_row_id: the row id of the first inserted row, None where there is none; the others follow it one by one, in the order
            sent.
        tier: how rows were inserted: `bulk`, `stream` or `rows`; None where none were.
        repeated: whether it had been done before, under this idempotency key, and was not done again.
        etag: names the row's new version; null where that is not known: of a row named by its key without `if_match`, of a table
            without versions, and of a write that had been done before.
    """

    kind: Literal["insert", "update", "upsert", "delete", "soft_delete", "restore", "create", "replace", "revert", "drop"]
    table: str
    version: int
    inserted: int
    updated: int
    deleted: int
    rejected: int
    errors: int
    first_row_id: int | None
    tier: str | None
    repeated: bool
    etag: str | None


class SchemaChange(TypedDict):
    """What a change of tables, columns or directories did.

    Attributes:
        path: of the table or directory, after it.
        changed: whether anything is otherwise than before.
        version: that of the table after it; null where it has none, or is gone.
    """

    path: str
    changed: bool
    version: int | None


class TableInfo(TypedDict):
    """What a table is, without its rows.

    Attributes:
        path: with slashes; of an earlier version `films:3`.
        kind: what it is.
        version: its number; 0 where it keeps none.
        is_versioned: whether it keeps versions.
        columns: in order, without the one that says when a row was deleted softly.
        soft_delete: whether rows may be deleted softly, here or in the table that it stands on.
        primary_key: the names of its key columns.
        base: the path of the table that a view or snapshot stands on; None where it is none, or that may not be seen.
        where: the condition of a view; None where there is none, or where it names a file.
        views: the paths of the views and snapshots that stand on it, directly or not, as far as they may be seen.
        indexes: what finds rows faster.
        comment: what it is for.
    """

    path: str
    kind: Literal["table", "view", "snapshot"]
    version: int
    is_versioned: bool
    columns: list[ColumnInfo]
    soft_delete: bool
    primary_key: list[str]
    base: str | None
    where: str | None
    views: list[str]
    indexes: list[IndexInfo]
    comment: str | None


class TablesDeleted(TypedDict):
    """What was dropped.

    Attributes:
        tables: the paths of the tables, views and snapshots, sorted.
    """

    tables: list[str]


class DatabaseOperations:
    """Operations of the server."""

    _call: Callable[..., Any]
    _writes: Writes

    def capabilities(self) -> Capabilities:
        """Say what this server is and can do, and what this key may.

        Returns:
            Versions, limits, `features` and, by category, the names of the `operations` that the key may call.

        Raises:
            PxtFlightError: what the server says.
        """

        answer: Capabilities = self._call("pixeltable.capabilities")
        return answer

    def delete_all_tables(self, *, confirm: str | None = None) -> TablesDeleted:
        """Drop all tables, views and snapshots, with their versions; directories stay. It takes a second call to confirm it.

        They go in one transaction: all of them, or none. What they have on disk is cleared right after that; where the server dies in
        between, no table is back, and its files are what is left.

        Args:
            confirm: what an earlier call, which dropped nothing, answered as `where.confirm` of `confirmation_required`: good for 5
                minutes, for this key, and for the very tables and versions that there were.

        Returns:
            `tables`, the paths of what was dropped, sorted; empty where there was nothing.

        Raises:
            PxtFlightError: what the server says: `confirmation_required`, `table_busy`, `UNSUPPORTED_OPERATION`.
        """

        answer: TablesDeleted = self._call("pixeltable.delete_all_tables", confirm=confirm)
        return answer

    def list_dirs(self, *, dir_path: str = "", recursive: bool = True) -> list[str]:
        """List the directories in a directory that this key may know of.

        Args:
            dir_path: path of the directory; empty, or `/`, is the root.
            recursive: whether those inside of them are listed too.

        Returns:
            Paths with slashes, sorted.

        Raises:
            PxtFlightError: what the server says: `DIRECTORY_NOT_FOUND`.
        """

        answer: list[str] = self._call("pixeltable.list_dirs", dir_path=dir_path, recursive=recursive)
        return answer

    def get_dir_contents(self, path: str, *, recursive: bool = True) -> DirectoryContents:
        """List what is in a directory, as far as this key may know of it.

        Args:
            path: of the directory; `/` is the root, where it is not part of a URL.
            recursive: whether what is inside of its directories is listed too.

        Returns:
            The paths of directories and tables.

        Raises:
            PxtFlightError: what the server says: `DIRECTORY_NOT_FOUND`.
        """

        answer: DirectoryContents = self._call("pixeltable.get_dir_contents", path=path, recursive=recursive)
        return answer

    def create_dir(self, path: str, *, parents: bool = False, if_exists: Literal["error", "ignore"] = "error") -> SchemaChange:
        """Make a directory.

        Args:
            path: of the directory.
            parents: whether those above it are made too, where they are missing.
            if_exists: what to do where it is there: `error` or `ignore`.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `DIRECTORY_NOT_FOUND`, `PATH_ALREADY_EXISTS`, `INVALID_PATH`, `table_busy`.
        """

        answer: SchemaChange = self._call("pixeltable.create_dir", path=path, parents=parents, if_exists=if_exists)
        return answer

    def drop_dir(self, path: str, *, force: bool = False, if_missing: Literal["error", "ignore"] = "error") -> SchemaChange:
        """Drop a directory, empty or with all that is in it; nothing brings that back.

        Args:
            path: of the directory.
            force: whether the tables and directories in it go with it, and the views and snapshots that stand on them.
            if_missing: `error`, or `ignore` where there is none.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `DIRECTORY_NOT_FOUND`, `CONSTRAINT_VIOLATION`, `INVALID_PATH`, `table_busy`.
        """

        answer: SchemaChange = self._call("pixeltable.drop_dir", path=path, force=force, if_missing=if_missing)
        return answer

    def export_to_parquet(
        self,
        table: str,
        path: str,
        *,
        select: list[str] | None = None,
        where: str | dict[str, Any] | None = None,
        parameters: list[str | int | float | bool | None] | None = None,
        media: str = "bytes",
        overwrite: bool = False,
        include_deleted: bool = False,
    ) -> Exported:
        """Write a table, or a part of it, as a Parquet file into the server's folder for exports.

        The rows are of one version, and the file is there as a whole or not at all. The setting `export_dir` names the folder; there is none
        by default.

        Args:
            table: its path; `films:3` is an earlier version.
            path: the name of the file in that folder: `daily/films.parquet`.
            select: the columns; default all.
            where: which rows; default all.
            parameters: the values of `$1`, `$2`, ... in `where`.
            media: how media values are written: `bytes` (the stored file), `thumbnail:N` (a JPEG of at most N pixels) or `url` (a link that
                is good for 15 minutes).
            overwrite: whether a file of that name makes room.
            include_deleted: whether rows that are deleted softly are written, too.

        Returns:
            `path` as it was sent, `rows`, `bytes` of the file, and the `version` of the table that was read.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `COLUMN_NOT_FOUND`, `TYPE_MISMATCH`, `INVALID_ARGUMENT`,
                `INVALID_EXPRESSION`, `INVALID_CONFIGURATION`, `PATH_ALREADY_EXISTS`, `sql_syntax`, `sql_not_allowed`, `sql_unsupported`,
                `type_unsupported`, `media_unreadable`, `result_too_large`, `ticket_stale`, `disk_full`, `timeout`.
        """

        answer: Exported = self._call(
            "pixeltable.export_to_parquet",
            table=table,
            path=path,
            select=select,
            where=where,
            parameters=parameters,
            media=media,
            overwrite=overwrite,
            include_deleted=include_deleted,
        )
        return answer

    def export_to_s3(
        self,
        table: str,
        bucket: str,
        key: str,
        *,
        select: list[str] | None = None,
        where: str | dict[str, Any] | None = None,
        parameters: list[str | int | float | bool | None] | None = None,
        media: str = "bytes",
        overwrite: bool = False,
        include_deleted: bool = False,
    ) -> Exported:
        """Write a table, or a part of it, as a Parquet file into a bucket of S3.

        As `export_to_parquet`. The setting `export_buckets` names the buckets; there is none by default. The server's own account is used.

        Args:
            table: its path; `films:3` is an earlier version.
            bucket: one of those of the setting.
            key: the name of the object: `daily/films.parquet`.
            select: the columns; default all.
            where: which rows; default all.
            parameters: the values of `$1`, `$2`, ... in `where`.
            media: as of `export_to_parquet`.
            overwrite: whether an object of that name makes room.
            include_deleted: whether rows that are deleted softly are written, too.

        Returns:
            `path` (`s3://bucket/key`), `rows`, `bytes` of the file, and the `version` of the table that was read.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `COLUMN_NOT_FOUND`, `TYPE_MISMATCH`, `INVALID_ARGUMENT`,
                `INVALID_EXPRESSION`, `INVALID_CONFIGURATION`, `PATH_ALREADY_EXISTS`, `sql_syntax`, `sql_not_allowed`, `sql_unsupported`,
                `type_unsupported`, `media_unreadable`, `result_too_large`, `ticket_stale`, `disk_full`, `timeout`, `MISSING_CREDENTIALS`,
                `STORAGE_NOT_FOUND`, `STORE_UNAVAILABLE`.
        """

        answer: Exported = self._call(
            "pixeltable.export_to_s3",
            table=table,
            bucket=bucket,
            key=key,
            select=select,
            where=where,
            parameters=parameters,
            media=media,
            overwrite=overwrite,
            include_deleted=include_deleted,
        )
        return answer

    def health(self) -> Health:
        """Say that the server answers. It asks nothing of Pixeltable, so it stays cheap and needs no key.

        Returns:
            `status`, which is `ok`, and the `version` of pxt-flight.

        Raises:
            PxtFlightError: what the server says.
        """

        answer: Health = self._call("pixeltable.health")
        return answer

    def list_tables(self, *, dir_path: str = "", recursive: bool = True) -> list[str]:
        """List the tables of a directory that this key may read.

        Args:
            dir_path: path of the directory; empty, or `/`, is the root.
            recursive: whether tables of directories inside are listed too.

        Returns:
            Paths with slashes, sorted.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`.
        """

        answer: list[str] = self._call("pixeltable.list_tables", dir_path=dir_path, recursive=recursive)
        return answer

    def get_table(self, path: str) -> TableInfo:
        """Describe a table, view or snapshot: its columns, its key, its indexes, what it stands on and what stands on it.

        Args:
            path: its path; `films:3` is an earlier version of it.

        Returns:
            All but its rows. Expressions that name files are null.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`.
        """

        answer: TableInfo = self._call("pixeltable.get_table", path=path)
        return answer

    def table_info(self, path: str) -> TableInfo:
        """Describe a table, as `get_table` does.

        Deprecated since 0.1.0; use `get_table`.

        Args:
            path: its path; `films:3` is an earlier version of it.

        Returns:
            As `get_table`.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`.
        """

        answer: TableInfo = self._call("pixeltable.table_info", path=path)
        return answer

    def drop_table(self, path: str, *, force: bool = False, if_missing: Literal["error", "ignore"] = "error") -> SchemaChange:
        """Drop a table, view or snapshot with all of its versions; nothing brings it back.

        Args:
            path: its path.
            force: whether the views and snapshots that stand on it go with it.
            if_missing: `error`, or `ignore` where there is none.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `CONSTRAINT_VIOLATION`, `INVALID_PATH`, `table_busy`.
        """

        answer: SchemaChange = self._call("pixeltable.drop_table", path=path, force=force, if_missing=if_missing)
        return answer

    def move_table(self, path: str, new_path: str, *, if_exists: Literal["error", "ignore"] = "error") -> SchemaChange:
        """Give a table, view or snapshot another name, directory, or both; its versions go with it.

        Args:
            path: its path.
            new_path: where it shall be; the directory must be there.
            if_exists: what to do where there is something: `error`, or `ignore`, which leaves both as they are.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `DIRECTORY_NOT_FOUND`, `PATH_ALREADY_EXISTS`, `INVALID_PATH`,
                `table_busy`.
        """

        answer: SchemaChange = self._call("pixeltable.move_table", path=path, new_path=new_path, if_exists=if_exists)
        return answer

    def create_view(
        self,
        path: str,
        base: str,
        *,
        where: str | None = None,
        columns: list[str] | None = None,
        if_exists: Literal["error", "ignore", "replace"] = "error",
        comment: str = "",
    ) -> SchemaChange:
        """Make a view: rows and columns of a table, which follow that.

        Views with computed columns of their own, or with an iterator (frames of videos, chunks of documents), are made with Pixeltable.

        Args:
            path: where it shall be; the directory must be there.
            base: the path of the table, view or snapshot that it is of.
            where: the condition of its rows, in SQL: `score > 8 AND name LIKE 'A%'`; default all.
            columns: the names of its columns; default all.
            if_exists: what to do where there is a view: `error`; `ignore`, if it is of the same base; or `replace`, unless others stand on
                it.
            comment: what it is for.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `DIRECTORY_NOT_FOUND`, `PATH_ALREADY_EXISTS`, `CONSTRAINT_VIOLATION`,
                `INVALID_PATH`, `UNSUPPORTED_OPERATION`, `table_busy`, `COLUMN_NOT_FOUND`, `INVALID_ARGUMENT`, `INVALID_EXPRESSION`,
                `TYPE_MISMATCH`, `sql_syntax`, `sql_unsupported`, `sql_not_allowed`.
        """

        answer: SchemaChange = self._call(
            "pixeltable.create_view", path=path, base=base, where=where, columns=columns, if_exists=if_exists, comment=comment
        )
        return answer

    def create_snapshot(
        self, path: str, base: str, *, if_exists: Literal["error", "ignore", "replace"] = "error", comment: str = ""
    ) -> SchemaChange:
        """Make a snapshot: a table or view as it is now, for good.

        Args:
            path: where it shall be; the directory must be there.
            base: the path of the table, view or snapshot that it is of.
            if_exists: what to do where there is a snapshot: `error`; `ignore`, if it is of the same base; or `replace`, unless others stand
                on it.
            comment: what it is for.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `DIRECTORY_NOT_FOUND`, `PATH_ALREADY_EXISTS`, `CONSTRAINT_VIOLATION`,
                `INVALID_PATH`, `UNSUPPORTED_OPERATION`, `table_busy`.
        """

        answer: SchemaChange = self._call("pixeltable.create_snapshot", path=path, base=base, if_exists=if_exists, comment=comment)
        return answer


class AsyncDatabaseOperations:
    """The same as `DatabaseOperations`, awaited."""

    capabilities = twin(DatabaseOperations.capabilities)
    delete_all_tables = twin(DatabaseOperations.delete_all_tables)
    list_dirs = twin(DatabaseOperations.list_dirs)
    get_dir_contents = twin(DatabaseOperations.get_dir_contents)
    create_dir = twin(DatabaseOperations.create_dir)
    drop_dir = twin(DatabaseOperations.drop_dir)
    export_to_parquet = twin(DatabaseOperations.export_to_parquet)
    export_to_s3 = twin(DatabaseOperations.export_to_s3)
    health = twin(DatabaseOperations.health)
    list_tables = twin(DatabaseOperations.list_tables)
    get_table = twin(DatabaseOperations.get_table)
    table_info = twin(DatabaseOperations.table_info)
    drop_table = twin(DatabaseOperations.drop_table)
    move_table = twin(DatabaseOperations.move_table)
    create_view = twin(DatabaseOperations.create_view)
    create_snapshot = twin(DatabaseOperations.create_snapshot)


class TableOperations:
    """Operations of a table."""

    _call: Callable[..., Any]
    _writes: Writes
    name: str

    def columns(self) -> list[ColumnInfo]:
        """List the columns of a table, in order.

        Returns:
            Of each what `get_table` tells of it.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`.
        """

        answer: list[ColumnInfo] = self._call("table.columns", table_path=self.name)
        return answer

    def add_column(
        self, schema: dict[str, str | ColumnSpec], *, if_exists: Literal["error", "ignore", "replace"] = "error"
    ) -> SchemaChange:
        """Add columns to a table or view, as one version; the rows that are there have NULL in them.

        Args:
            schema: the new columns by name, as of `create_table`; where there are rows, `Int | None` rather than `Int`.
            if_exists: what to do with those of whose name there is one: `error`; `ignore`; or `replace`, which drops that, with its values,
                in a version of its own.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `UNSUPPORTED_OPERATION`, `INVALID_ARGUMENT`, `table_busy`,
                `COLUMN_ALREADY_EXISTS`, `INVALID_SCHEMA`, `INVALID_COLUMN_NAME`, `INVALID_TYPE`.
        """

        answer: SchemaChange = self._call("table.add_column", table_path=self.name, schema=schema, if_exists=if_exists)
        return answer

    def drop_column(self, column: str, *, if_missing: Literal["error", "ignore"] = "error") -> SchemaChange:
        """Drop a column of a table or view; earlier versions still have it, and `revert` brings it back.

        Args:
            column: its name.
            if_missing: `error`, or `ignore` where there is none.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `UNSUPPORTED_OPERATION`, `INVALID_ARGUMENT`, `table_busy`,
                `COLUMN_NOT_FOUND`.
        """

        answer: SchemaChange = self._call("table.drop_column", table_path=self.name, column=column, if_missing=if_missing)
        return answer

    def rename_column(self, column: str, new_name: str) -> SchemaChange:
        """Give a column of a table or view another name.

        Args:
            column: its name.
            new_name: that it shall have.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `UNSUPPORTED_OPERATION`, `INVALID_ARGUMENT`, `table_busy`,
                `COLUMN_NOT_FOUND`, `COLUMN_ALREADY_EXISTS`, `INVALID_COLUMN_NAME`.
        """

        answer: SchemaChange = self._call("table.rename_column", table_path=self.name, column=column, new_name=new_name)
        return answer

    def alter_column(self, column: str, type: str) -> SchemaChange:
        """Let a column of a table hold NULL: Pixeltable gives it no other type than its own with `| None`.

        Args:
            column: its name.
            type: the new type: `Int | None`.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `UNSUPPORTED_OPERATION`, `INVALID_ARGUMENT`, `table_busy`,
                `COLUMN_NOT_FOUND`, `INVALID_TYPE`.
        """

        answer: SchemaChange = self._call("table.alter_column", table_path=self.name, column=column, type=type)
        return answer

    def indexes(self) -> list[IndexInfo]:
        """List the indexes of a table.

        Returns:
            Of each `name`, `columns`, `kind`, and of an embedding index `metric`, `precision` and `function`.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`.
        """

        answer: list[IndexInfo] = self._call("table.indexes", table_path=self.name)
        return answer

    def add_index(
        self,
        column: str,
        *,
        kind: Literal["btree", "embedding"] = "btree",
        name: str | None = None,
        function: str | None = None,
        arguments: dict[str, str | int | float | bool | None] | None = None,
        metric: Literal["cosine", "ip", "l2"] = "cosine",
        precision: Literal["fp16", "fp32"] = "fp16",
        if_exists: Literal["error", "ignore", "replace"] = "error",
    ) -> IndexInfo:
        """Add an index of a column: a B-tree to find values and order rows, or of embeddings to find what is similar.

        Args:
            column: that is indexed: numbers, texts, times or media by a B-tree; texts or media by embeddings.
            kind: which of them.
            name: of the index; default one that Pixeltable makes up.
            function: what computes the embeddings: the name of a function of `pixeltable.functions`, such as `huggingface.clip`. The server
                must have the packages of it.
            arguments: the constants that the function is given: `{"model_id": "openai/clip-vit-base-patch32"}`.
            metric: how similar two embeddings are: `cosine`, `ip` (inner product) or `l2` (distance).
            precision: in which their numbers are kept.
            if_exists: what to do where there is one: `error`, `ignore`, or `replace`, of embeddings only.

        Returns:
            The index.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `UNSUPPORTED_OPERATION`, `table_busy`, `COLUMN_NOT_FOUND`,
                `FUNCTION_NOT_FOUND`, `INDEX_ALREADY_EXISTS`, `INVALID_ARGUMENT`, `INVALID_COLUMN_NAME`, `INVALID_CONFIGURATION`,
                `INVALID_EXPRESSION`, `TYPE_MISMATCH`, `MISSING_REQUIRED`.
        """

        answer: IndexInfo = self._call(
            "table.add_index",
            table_path=self.name,
            column=column,
            kind=kind,
            name=name,
            function=function,
            arguments=arguments,
            metric=metric,
            precision=precision,
            if_exists=if_exists,
        )
        return answer

    def drop_index(self, index: str, *, if_missing: Literal["error", "ignore"] = "error") -> SchemaChange:
        """Drop an index.

        Args:
            index: its name.
            if_missing: `error`, or `ignore` where there is none.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `UNSUPPORTED_OPERATION`, `table_busy`, `INDEX_NOT_FOUND`.
        """

        answer: SchemaChange = self._call("table.drop_index", table_path=self.name, index=index, if_missing=if_missing)
        return answer

    def get_row(
        self, *, row_id: str | None = None, key: dict[str, Any] | None = None, media: str = "url", if_none_match: str | None = None
    ) -> FoundRow:
        """Read one row, by its row id or by its primary key.

        Over HTTP the key stands in the query, too: `GET /api/v1/tables/films/rows?key.id=7`. Columns that Pixeltable computes while they are
        read are left out.

        Args:
            row_id: of the row.
            key: in place of it, its primary key.
            media: how media values are sent: `url`, `thumbnail:N` or `bytes` (in base64).
            if_none_match: ETags, with commas between them, or `*`: of a row that is one of these only its ETag is answered; over HTTP the
                header of that name, and 304.

        Returns:
            The row, and its ETag, which over HTTP stands in the header too.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `ROW_NOT_FOUND`, `row_id_unsupported`, `INVALID_ARGUMENT`,
                `TYPE_MISMATCH`, `UNSUPPORTED_OPERATION`, `type_unsupported`, `media_unreadable`, `ticket_stale`, `timeout`.
        """

        answer: FoundRow = self._call(
            "table.get_row", table_path=self.name, row_id=row_id, key=key, media=media, if_none_match=if_none_match
        )
        return answer

    def replace_row(
        self,
        row: dict[str, Any],
        *,
        row_id: str | None = None,
        key: dict[str, Any] | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> RowWritten:
        """Replace one row, by its row id or by its primary key: what is not given becomes NULL.

        Over HTTP the key stands in the query, too: `PUT /api/v1/tables/films/rows?key.id=7`.

        Args:
            row: a value for each column that may not be NULL, and for others; computed columns make their own. Of the primary key only what
                it is already.
            row_id: of the row.
            key: in place of it, its primary key.
            if_match: ETags, with commas between them, or `*`: only a row that is one of these is replaced; over HTTP the header of that
                name.
            idempotency_key: a name of the client's for this write: asked again under it, it is not done again.

        Returns:
            What was done, and the new ETag, which over HTTP stands in the header too.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `ROW_NOT_FOUND`, `row_id_unsupported`, `INVALID_ARGUMENT`,
                `TYPE_MISMATCH`, `UNSUPPORTED_OPERATION`, `CONSTRAINT_VIOLATION`, `precondition_failed`, `idempotency_key_reused`,
                `table_busy`, `disk_full`, `COLUMN_NOT_FOUND`, `MISSING_REQUIRED`, `media_unreadable`.
        """

        answer: RowWritten = self._call(
            "table.replace_row", table_path=self.name, row=row, row_id=row_id, key=key, if_match=if_match, idempotency_key=idempotency_key
        )
        return answer

    def update_row(
        self,
        set: dict[str, Any],
        *,
        row_id: str | None = None,
        key: dict[str, Any] | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> RowWritten:
        """Change some columns of one row, by its row id or by its primary key.

        Over HTTP the key stands in the query, too: `PATCH /api/v1/tables/films/rows?key.id=7`.

        Args:
            set: the columns that change, and their new values.
            row_id: of the row.
            key: in place of it, its primary key.
            if_match: ETags, with commas between them, or `*`: only a row that is one of these is changed; over HTTP the header of that
                name.
            idempotency_key: a name of the client's for this write: asked again under it, it is not done again.

        Returns:
            What was done, and the new ETag, which over HTTP stands in the header too.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `ROW_NOT_FOUND`, `row_id_unsupported`, `INVALID_ARGUMENT`,
                `TYPE_MISMATCH`, `UNSUPPORTED_OPERATION`, `CONSTRAINT_VIOLATION`, `precondition_failed`, `idempotency_key_reused`,
                `table_busy`, `disk_full`, `COLUMN_NOT_FOUND`, `MISSING_REQUIRED`, `media_unreadable`.
        """

        answer: RowWritten = self._call(
            "table.update_row", table_path=self.name, set=set, row_id=row_id, key=key, if_match=if_match, idempotency_key=idempotency_key
        )
        return answer

    def delete_row(
        self,
        *,
        row_id: str | None = None,
        key: dict[str, Any] | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> RowWritten:
        """Delete one row, by its row id or by its primary key. Earlier versions of the table still have it.

        Over HTTP the key stands in the query, too: `DELETE /api/v1/tables/films/rows?key.id=7`; the answer has no body.

        Args:
            row_id: of the row.
            key: in place of it, its primary key.
            if_match: ETags, with commas between them, or `*`: only a row that is one of these is deleted; over HTTP the header of that
                name.
            idempotency_key: a name of the client's for this delete: asked again under it, it is not done again.

        Returns:
            What was done.

        Raises:
            PxtFlightError: what the server says: `TABLE_NOT_FOUND`, `ROW_NOT_FOUND`, `row_id_unsupported`, `INVALID_ARGUMENT`,
                `TYPE_MISMATCH`, `UNSUPPORTED_OPERATION`, `CONSTRAINT_VIOLATION`, `precondition_failed`, `idempotency_key_reused`,
                `table_busy`, `disk_full`.
        """

        answer: RowWritten = self._call(
            "table.delete_row", table_path=self.name, row_id=row_id, key=key, if_match=if_match, idempotency_key=idempotency_key
        )
        return answer


class AsyncTableOperations:
    """The same as `TableOperations`, awaited."""

    columns = twin(TableOperations.columns)
    add_column = twin(TableOperations.add_column)
    drop_column = twin(TableOperations.drop_column)
    rename_column = twin(TableOperations.rename_column)
    alter_column = twin(TableOperations.alter_column)
    indexes = twin(TableOperations.indexes)
    add_index = twin(TableOperations.add_index)
    drop_index = twin(TableOperations.drop_index)
    get_row = twin(TableOperations.get_row)
    replace_row = twin(TableOperations.replace_row)
    update_row = twin(TableOperations.update_row)
    delete_row = twin(TableOperations.delete_row)
