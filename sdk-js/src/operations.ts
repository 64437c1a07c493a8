// Generated from the registry of operations by `make docs`; written by hand it would be overwritten.

/** How an operation is called over HTTP: `{name}` in the path is the argument of that name. */
export interface OperationInfo {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  /** Its name, on Flight too. */
  readonly action: string;
  /** Whether record batches travel beside the arguments. */
  readonly takesRows: boolean;
  /** Whether the answer is a stream of record batches where Arrow is accepted. */
  readonly answersRows: boolean;
}

/** How much at once. */
export interface Bounds {
  /** rows that one answer may hold as JSON. */
  page_rows: number;
  /** rows that one request may bring as JSON. */
  insert_rows: number;
  /** bytes of a body of JSON. */
  json_body_bytes: number;
  /** bytes of the rows of one write as Arrow, or with files. */
  upload_bytes: number;
  /** rows that one query may answer as Arrow. */
  query_rows: number;
  /** bytes of Arrow data that it may answer. */
  query_bytes: number;
  /** seconds that it may take. */
  query_seconds: number;
  /** of the long side of a thumbnail. */
  thumbnail_pixels: number;
}

/** What a server is and can do. */
export interface Capabilities {
  /** of pxt-flight. */
  version: string;
  /** of Pixeltable. */
  pixeltable_version: string;
  /** of the operations. */
  api_versions: string[];
  /** of Arrow. */
  arrow_version: string;
  /** why queries are not read the fast way; null where they are. */
  reads_slower_because: string | null;
  /** why rows are not written the fast way; null where they are. */
  writes_slower_because: string | null;
  /** how much at once. */
  limits: Bounds;
  /** how media values may be sent. */
  media: string[];
  /** what some servers have and others do not, and whether this one does. */
  features: Record<string, boolean>;
  /** what the key may do. */
  permissions: string[];
  /** the names of those that it may call, by category. */
  operations: Record<string, string[]>;
}

/** A column of an answer. */
export interface Column {
  /** its name. */
  name: string;
  /** Pixeltable's name of its type (`Int`, `Image`); where there is none, Arrow's (`time64[us]`). */
  type: string;
}

/** A column of a table. */
export interface ColumnInfo {
  /** its name. */
  name: string;
  /** its type as Pixeltable prints it: `Image['RGB'] | None`. */
  type: string;
  /** whether it may hold NULL. */
  nullable: boolean;
  /** whether it is of the primary key. */
  is_primary_key: boolean;
  /** whether Pixeltable computes it. */
  is_computed: boolean;
  /** the expression that it is computed with; None where it is not, or where that names a file. */
  computed_with: string | null;
  /** whether its values are stored, or computed when they are read. */
  is_stored: boolean;
  /** what a cell is, image, video, audio or document; None where it is no file. */
  media: "image" | "video" | "audio" | "document" | null;
  /** what it is for. */
  comment: string | null;
}

/** A column as a request declares it. */
export interface ColumnSpec {
  /** Pixeltable's type: `Int`, `String | None`, `Image['RGB']`, `Array[(3, None), float32]`. */
  type: string;
  /** whether it may hold NULL; default what the type says. */
  nullable?: boolean | null;
  /** what it is for. */
  comment?: string | null;
}

/** What is in a directory. */
export interface DirectoryContents {
  /** of the directory; empty for the root. */
  path: string;
  /** the paths of the directories in it, sorted. */
  directories: string[];
  /** the paths of the tables, views and snapshots in it, sorted. */
  tables: string[];
}

/** How a query is read. */
export interface Explanation {
  /** `copy`, `psycopg`, `exec` or `cursor`. */
  tier: string;
  /** the reason for that tier. */
  why: string;
  /** path and version of each table. */
  tables: (Record<string, string | number>)[];
  /** a line for each scan of a table. */
  pixeltable_plan: string[];
  /** Postgres' own plan; None where Postgres does not run the query. */
  postgres_plan: string | null;
}

/** What was exported. */
export interface Exported {
  /** its name in the folder for exports, or `s3://bucket/key`. */
  path: string;
  /** how many. */
  rows: number;
  /** of the file. */
  bytes: number;
  /** of the table that was read; null where it has none. */
  version: number | null;
}

/** A row. */
export interface FoundRow {
  /** its values by column, in the forms of rows in JSON; null where it is one that the client has (`if_none_match`). */
  row: Record<string, unknown> | null;
  /** its row id, `7` or `7.3`; null where the table has none. */
  row_id: string | null;
  /** names its version: another as soon as somebody writes the row. */
  etag: string;
}

/** That a process answers. */
export interface Health {
  /** `ok`. */
  status: "ok";
  /** of pxt-flight. */
  version: string;
}

/** An index of a table. */
export interface IndexInfo {
  /** its name. */
  name: string;
  /** those that it is of. */
  columns: string[];
  /** `btree` or `embedding`. */
  kind: string;
  /** of an embedding index: cosine, ip or l2. */
  metric: string | null;
  /** of an embedding index: fp16 or fp32. */
  precision: string | null;
  /** what computes the embedding; None where that names a file. */
  function: string | null;
}

/** The first rows of a query. */
export interface QueryRows {
  /** at most 1000 of them, by the names of the columns. */
  rows: Record<string, unknown>[];
  /** the columns. */
  columns: Column[];
  /** whether the query has more. */
  truncated: boolean;
  /** how to get them; null where these are all. */
  hint: string | null;
}

/** What a write of one row did. */
export interface RowWritten {
  /** of write. */
  kind: "insert" | "update" | "upsert" | "delete" | "soft_delete" | "restore" | "create" | "replace" | "revert" | "drop";
  /** the path of the table. */
  table: string;
  /** the newest version that it made; the live one where it changed nothing, 0 where the table has no versions. */
  version: number;
  /** rows that came. */
  inserted: number;
  /** rows that changed, or were restored. */
  updated: number;
  /** rows that went, softly or for good. */
  deleted: number;
  /** rows that were sent and left out. */
  rejected: number;
  /** computed or media cells that failed. */
  errors: number;
  /** the row id of the first inserted row, None where there is none; the others follow it one by one, in the order sent. */
  first_row_id: number | null;
  /** how rows were inserted: `bulk`, `stream` or `rows`; None where none were. */
  tier: string | null;
  /** whether it had been done before, under this idempotency key, and was not done again. */
  repeated: boolean;
  /** names the row's new version; null where that is not known: of a row named by its key without `if_match`, of a table without versions, and of a write that had been done before. */
  etag: string | null;
}

/** A page of rows. */
export interface RowsPage {
  /** the rows, by the names of the columns. */
  rows: Record<string, unknown>[];
  /** the columns. */
  columns: Column[];
  /** asks for the next page; null where this is the last. */
  next_cursor: string | null;
  /** the URL of the next page, relative to that of this one, where the page was asked for by URL. */
  next: string | null;
  /** whether there are more rows that no cursor leads to, because nothing names a row. */
  truncated: boolean;
  /** how many rows all pages have, where that was asked for. */
  count: number | null;
  /** that of the table; null where it keeps none. */
  version: number | null;
}

/** What a write of rows did, as JSON tells it. */
export interface RowsWritten {
  /** of write. */
  kind: "insert" | "update" | "upsert" | "delete" | "soft_delete" | "restore" | "create" | "replace" | "revert" | "drop";
  /** the path of the table. */
  table: string;
  /** the newest version that it made; the live one where it changed nothing, 0 where the table has no versions. */
  version: number;
  /** rows that came. */
  inserted: number;
  /** rows that changed, or were restored. */
  updated: number;
  /** rows that went, softly or for good. */
  deleted: number;
  /** rows that were sent and left out. */
  rejected: number;
  /** computed or media cells that failed. */
  errors: number;
  /** the row id of the first inserted row, None where there is none; the others follow it one by one, in the order sent. */
  first_row_id: number | null;
  /** how rows were inserted: `bulk`, `stream` or `rows`; None where none were. */
  tier: string | null;
  /** whether it had been done before, under this idempotency key, and was not done again. */
  repeated: boolean;
  /** of the inserted rows, in the order sent; None where there are none, or more than 1000. */
  row_ids: number[] | null;
  /** the first 1000 of the rows that were left out, with the reason in `pxt_error`. */
  rejected_rows: Record<string, unknown>[];
}

/** What a change of tables, columns or directories did. */
export interface SchemaChange {
  /** of the table or directory, after it. */
  path: string;
  /** whether anything is otherwise than before. */
  changed: boolean;
  /** that of the table after it; null where it has none, or is gone. */
  version: number | null;
}

/** Whether rows of a table may be deleted softly. */
export interface SoftDelete {
  /** its path. */
  table: string;
  /** whether they may. */
  enabled: boolean;
  /** the name of the column that says when a row was deleted; None where there is none. */
  column: string | null;
  /** how many rows were deleted for good. */
  purged: number;
}

/** What a table is, without its rows. */
export interface TableInfo {
  /** with slashes; of an earlier version `films:3`. */
  path: string;
  /** what it is. */
  kind: "table" | "view" | "snapshot";
  /** its number; 0 where it keeps none. */
  version: number;
  /** whether it keeps versions. */
  is_versioned: boolean;
  /** in order, without the one that says when a row was deleted softly. */
  columns: ColumnInfo[];
  /** whether rows may be deleted softly, here or in the table that it stands on. */
  soft_delete: boolean;
  /** the names of its key columns. */
  primary_key: string[];
  /** the path of the table that a view or snapshot stands on; None where it is none, or that may not be seen. */
  base: string | null;
  /** the condition of a view; None where there is none, or where it names a file. */
  where: string | null;
  /** the paths of the views and snapshots that stand on it, directly or not, as far as they may be seen. */
  views: string[];
  /** what finds rows faster. */
  indexes: IndexInfo[];
  /** what it is for. */
  comment: string | null;
}

/** What was dropped. */
export interface TablesDeleted {
  /** the paths of the tables, views and snapshots, sorted. */
  tables: string[];
}

/** A version of a table, as Pixeltable tells of it. */
export interface Version {
  /** its number. */
  version: number;
  /** when it was made, in UTC. */
  created_at: string;
  /** by whom, where Pixeltable was told. */
  created_by: string | null;
  /** of what it is one. */
  change: "data" | "schema";
  /** how many rows came. */
  inserts: number;
  /** how many changed. */
  updates: number;
  /** how many went. */
  deletes: number;
  /** how many computed cells failed. */
  errors: number;
  /** what changed of the columns. */
  schema_change: string | null;
  /** why it cannot be read; None where it can. */
  note: string | null;
}

/** One entry of a table's history. */
export interface WriteRecord {
  /** the newest version that the write made, or the live one then, where it changed nothing. */
  version: number;
  /** of write. */
  kind: string;
  /** when, in UTC. */
  created_at: string;
  /** the name of the key; None where the key is gone. */
  created_by: string | null;
  /** rows. */
  inserted: number;
  /** rows. */
  updated: number;
  /** rows. */
  deleted: number;
  /** rows. */
  rejected: number;
  /** how rows were inserted; None where none were. */
  tier: string | null;
}

/** What a write did. */
export interface Written {
  /** of write. */
  kind: "insert" | "update" | "upsert" | "delete" | "soft_delete" | "restore" | "create" | "replace" | "revert" | "drop";
  /** the path of the table. */
  table: string;
  /** the newest version that it made; the live one where it changed nothing, 0 where the table has no versions. */
  version: number;
  /** rows that came. */
  inserted: number;
  /** rows that changed, or were restored. */
  updated: number;
  /** rows that went, softly or for good. */
  deleted: number;
  /** rows that were sent and left out. */
  rejected: number;
  /** computed or media cells that failed. */
  errors: number;
  /** the row id of the first inserted row, None where there is none; the others follow it one by one, in the order sent. */
  first_row_id: number | null;
  /** how rows were inserted: `bulk`, `stream` or `rows`; None where none were. */
  tier: string | null;
  /** whether it had been done before, under this idempotency key, and was not done again. */
  repeated: boolean;
}

/** Say what this server is and can do, and what this key may. */
export interface CapabilitiesRequest {
}

/** Change the rows of a table that a condition means, as one version, or none of them. */
export interface TableUpdateRequest {
  /** its path. */
  table_path: string;
  /** the columns that get one value, and that value. */
  set?: Record<string, unknown> | null;
  /** the condition, as in a SELECT over the table, subqueries included, or a filter in JSON. */
  where?: string | Record<string, unknown> | null;
  /** the values of `$1`, `$2`, ... in `where` and `expressions`. */
  parameters?: (string | number | boolean | null)[] | null;
  /** the columns that get what an expression in SQL gives: `{"score": "score + 1"}`. */
  expressions?: Record<string, string> | null;
  /** change nothing where it would be more rows; default any number. */
  max_affected?: number | null;
  /** change nothing, and tell how many rows it would be. */
  dry_run?: boolean;
  /** must be true where there is no condition. */
  all_rows?: boolean;
  /** a name of the client's for this update: asked again under it, it is not done again. */
  idempotency_key?: string | null;
  /** change rows that are deleted softly, too; they stay deleted. */
  include_deleted?: boolean;
}

/** Delete the rows of a table that a condition means, as one version, or none of them. */
export interface TableDeleteRequest {
  /** its path. */
  table_path: string;
  /** the condition, as in a SELECT over the table, subqueries included, or a filter in JSON. */
  where?: string | Record<string, unknown> | null;
  /** the values of `$1`, `$2`, ... in it. */
  parameters?: (string | number | boolean | null)[] | null;
  /** delete nothing where it would be more rows; default any number. */
  max_affected?: number | null;
  /** delete nothing, and tell how many rows it would be. */
  dry_run?: boolean;
  /** must be true where there is no condition. */
  all_rows?: boolean;
  /** a name of the client's for this delete: asked again under it, it is not done again. */
  idempotency_key?: string | null;
  /** hide the rows, so that `Table.restore` brings them back; the table must be enabled for it. */
  soft?: boolean;
  /** delete rows for good that are deleted softly, too. */
  include_deleted?: boolean;
}

/** Change rows of a table that are named one by one, as one version, or none of them. */
export interface TableUpdateRowsRequest {
  /** its path. */
  table_path: string;
  /** what becomes of rows that the table does not have: `error`, `ignore` or `insert`; the last makes a version of its own. */
  if_missing?: string;
  /** change nothing where it would be more rows; default any number. */
  max_affected?: number | null;
  /** a name of the client's for this update: asked again under it, it is not done again. */
  idempotency_key?: string | null;
  /** the rows, where they are sent as JSON; as Arrow they are the body. */
  rows?: Record<string, unknown>[];
}

/** Delete rows of a table that are named one by one, as one version, or none of them. */
export interface TableDeleteRowsRequest {
  /** its path. */
  table_path: string;
  /** what becomes of rows that the table does not have: `error` or `ignore`. */
  if_missing?: string;
  /** delete nothing where it would be more rows; default any number. */
  max_affected?: number | null;
  /** a name of the client's for this delete: asked again under it, it is not done again. */
  idempotency_key?: string | null;
  /** the rows, where they are sent as JSON; as Arrow they are the body. */
  rows?: Record<string, unknown>[];
}

/** Take back the last change of a table, or all after a version; what is taken back is gone. */
export interface TableRevertRequest {
  /** its path. */
  table_path: string;
  /** the one to go back to; default the one before the last. */
  version?: number | null;
  /** a name of the client's for this: asked again under it, it is not done again. */
  idempotency_key?: string | null;
}

/** List the columns of a table, in order. */
export interface TableColumnsRequest {
  /** its path; `films:3` is an earlier version of it. */
  table_path: string;
}

/** Add columns to a table or view, as one version; the rows that are there have NULL in them. */
export interface TableAddColumnRequest {
  /** its path. */
  table_path: string;
  /** the new columns by name, as of `create_table`; where there are rows, `Int | None` rather than `Int`. */
  schema: Record<string, string | ColumnSpec>;
  /** what to do with those of whose name there is one: `error`; `ignore`; or `replace`, which drops that, with its values, in a version of its own. */
  if_exists?: "error" | "ignore" | "replace";
}

/** Drop a column of a table or view; earlier versions still have it, and `revert` brings it back. */
export interface TableDropColumnRequest {
  /** its path. */
  table_path: string;
  /** its name. */
  column: string;
  /** `error`, or `ignore` where there is none. */
  if_missing?: "error" | "ignore";
}

/** Give a column of a table or view another name. */
export interface TableRenameColumnRequest {
  /** its path. */
  table_path: string;
  /** its name. */
  column: string;
  /** that it shall have. */
  new_name: string;
}

/** Let a column of a table hold NULL: Pixeltable gives it no other type than its own with `| None`. */
export interface TableAlterColumnRequest {
  /** its path. */
  table_path: string;
  /** its name. */
  column: string;
  /** the new type: `Int | None`. */
  type: string;
}

/** Drop all tables, views and snapshots, with their versions; directories stay. It takes a second call to confirm it. */
export interface DeleteAllTablesRequest {
  /** what an earlier call, which dropped nothing, answered as `where.confirm` of `confirmation_required`: good for 5 minutes, for this key, and for the very tables and versions that there were. */
  confirm?: string | null;
}

/** List the directories in a directory that this key may know of. */
export interface ListDirsRequest {
  /** path of the directory; empty, or `/`, is the root. */
  dir_path?: string;
  /** whether those inside of them are listed too. */
  recursive?: boolean;
}

/** List what is in a directory, as far as this key may know of it. */
export interface GetDirContentsRequest {
  /** of the directory; `/` is the root, where it is not part of a URL. */
  path: string;
  /** whether what is inside of its directories is listed too. */
  recursive?: boolean;
}

/** Make a directory. */
export interface CreateDirRequest {
  /** of the directory. */
  path: string;
  /** whether those above it are made too, where they are missing. */
  parents?: boolean;
  /** what to do where it is there: `error` or `ignore`. */
  if_exists?: "error" | "ignore";
}

/** Drop a directory, empty or with all that is in it; nothing brings that back. */
export interface DropDirRequest {
  /** of the directory. */
  path: string;
  /** whether the tables and directories in it go with it, and the views and snapshots that stand on them. */
  force?: boolean;
  /** `error`, or `ignore` where there is none. */
  if_missing?: "error" | "ignore";
}

/** Write a table, or a part of it, as a Parquet file into the server's folder for exports. */
export interface ExportToParquetRequest {
  /** its path; `films:3` is an earlier version. */
  table: string;
  /** the name of the file in that folder: `daily/films.parquet`. */
  path: string;
  /** the columns; default all. */
  select?: string[] | null;
  /** which rows; default all. */
  where?: string | Record<string, unknown> | null;
  /** the values of `$1`, `$2`, ... in `where`. */
  parameters?: (string | number | boolean | null)[] | null;
  /** how media values are written: `bytes` (the stored file), `thumbnail:N` (a JPEG of at most N pixels) or `url` (a link that is good for 15 minutes). */
  media?: string;
  /** whether a file of that name makes room. */
  overwrite?: boolean;
  /** whether rows that are deleted softly are written, too. */
  include_deleted?: boolean;
}

/** Write a table, or a part of it, as a Parquet file into a bucket of S3. */
export interface ExportToS3Request {
  /** its path; `films:3` is an earlier version. */
  table: string;
  /** one of those of the setting. */
  bucket: string;
  /** the name of the object: `daily/films.parquet`. */
  key: string;
  /** the columns; default all. */
  select?: string[] | null;
  /** which rows; default all. */
  where?: string | Record<string, unknown> | null;
  /** the values of `$1`, `$2`, ... in `where`. */
  parameters?: (string | number | boolean | null)[] | null;
  /** as of `export_to_parquet`. */
  media?: string;
  /** whether an object of that name makes room. */
  overwrite?: boolean;
  /** whether rows that are deleted softly are written, too. */
  include_deleted?: boolean;
}

/** Say that the server answers. It asks nothing of Pixeltable, so it stays cheap and needs no key. */
export interface HealthRequest {
}

/** List the indexes of a table. */
export interface TableIndexesRequest {
  /** its path. */
  table_path: string;
}

/** Add an index of a column: a B-tree to find values and order rows, or of embeddings to find what is similar. */
export interface TableAddIndexRequest {
  /** its path. */
  table_path: string;
  /** that is indexed: numbers, texts, times or media by a B-tree; texts or media by embeddings. */
  column: string;
  /** which of them. */
  kind?: "btree" | "embedding";
  /** of the index; default one that Pixeltable makes up. */
  name?: string | null;
  /** what computes the embeddings: the name of a function of `pixeltable.functions`, such as `huggingface.clip`. The server must have the packages of it. */
  function?: string | null;
  /** the constants that the function is given: `{"model_id": "openai/clip-vit-base-patch32"}`. */
  arguments?: Record<string, string | number | boolean | null> | null;
  /** how similar two embeddings are: `cosine`, `ip` (inner product) or `l2` (distance). */
  metric?: "cosine" | "ip" | "l2";
  /** in which their numbers are kept. */
  precision?: "fp16" | "fp32";
  /** what to do where there is one: `error`, `ignore`, or `replace`, of embeddings only. */
  if_exists?: "error" | "ignore" | "replace";
}

/** Drop an index. */
export interface TableDropIndexRequest {
  /** path of its table. */
  table_path: string;
  /** its name. */
  index: string;
  /** `error`, or `ignore` where there is none. */
  if_missing?: "error" | "ignore";
}

/** Run one SELECT, and answer its rows: all as an Arrow stream, or the first 1000 as JSON. */
export interface QueryRequest {
  /** PostgreSQL's SELECT with joins, WITH, windows, set operations and subqueries; placeholders `$1` or `?`. */
  sql: string;
  /** the values of the placeholders, in order. */
  parameters?: (string | number | boolean | null)[] | null;
  /** how media values are sent: `url` (a link to the stored file, good for 15 minutes), `thumbnail:N` (a JPEG of at most N pixels) or `bytes` (the stored file). */
  media?: string;
  /** of a FlightInfo: at most so many tickets, 1 to 64, for parts of a scan that are read side by side; default 1. */
  partitions?: number | null;
  /** read the rows that are deleted softly, too, and the column that says when. */
  include_deleted?: boolean;
}

/** Say how a query is read, without reading it. */
export interface ExplainRequest {
  /** the SELECT. */
  sql: string;
  /** the values of its placeholders, in order. */
  parameters?: (string | number | boolean | null)[] | null;
  /** as of `query`. */
  include_deleted?: boolean;
}

/** Read one row, by its row id or by its primary key. */
export interface TableGetRowRequest {
  /** the table, view or snapshot. */
  table_path: string;
  /** of the row. */
  row_id?: string | null;
  /** in place of it, its primary key. */
  key?: Record<string, unknown> | null;
  /** how media values are sent: `url`, `thumbnail:N` or `bytes` (in base64). */
  media?: string;
  /** ETags, with commas between them, or `*`: of a row that is one of these only its ETag is answered; over HTTP the header of that name, and 304. */
  if_none_match?: string | null;
}

/** Replace one row, by its row id or by its primary key: what is not given becomes NULL. */
export interface TableReplaceRowRequest {
  /** the table. */
  table_path: string;
  /** a value for each column that may not be NULL, and for others; computed columns make their own. Of the primary key only what it is already. */
  row: Record<string, unknown>;
  /** of the row. */
  row_id?: string | null;
  /** in place of it, its primary key. */
  key?: Record<string, unknown> | null;
  /** ETags, with commas between them, or `*`: only a row that is one of these is replaced; over HTTP the header of that name. */
  if_match?: string | null;
  /** a name of the client's for this write: asked again under it, it is not done again. */
  idempotency_key?: string | null;
}

/** Change some columns of one row, by its row id or by its primary key. */
export interface TableUpdateRowRequest {
  /** the table. */
  table_path: string;
  /** the columns that change, and their new values. */
  set: Record<string, unknown>;
  /** of the row. */
  row_id?: string | null;
  /** in place of it, its primary key. */
  key?: Record<string, unknown> | null;
  /** ETags, with commas between them, or `*`: only a row that is one of these is changed; over HTTP the header of that name. */
  if_match?: string | null;
  /** a name of the client's for this write: asked again under it, it is not done again. */
  idempotency_key?: string | null;
}

/** Delete one row, by its row id or by its primary key. Earlier versions of the table still have it. */
export interface TableDeleteRowRequest {
  /** the table. */
  table_path: string;
  /** of the row. */
  row_id?: string | null;
  /** in place of it, its primary key. */
  key?: Record<string, unknown> | null;
  /** ETags, with commas between them, or `*`: only a row that is one of these is deleted; over HTTP the header of that name. */
  if_match?: string | null;
  /** a name of the client's for this delete: asked again under it, it is not done again. */
  idempotency_key?: string | null;
}

/** Read rows of a table, page by page as JSON, or all of them as an Arrow stream. */
export interface TableRowsRequest {
  /** its path. */
  table_path: string;
  /** columns, values inside of Json (`meta.lab`), of images `image.width`, `image.height` and `image.mode`; default all columns. */
  select?: string | string[] | null;
  /** a condition in SQL, or a filter in JSON. */
  where?: string | Record<string, unknown> | null;
  /** the values of `$1`, `$2`, ... in a condition in SQL. */
  parameters?: (string | number | boolean | null)[] | null;
  /** sort keys, `-score` or `score desc`; NULL comes last, or first where it descends. Rows that are equal in them, and those of no order, come in that of their row ids, else of the primary key. */
  order_by?: string | string[] | null;
  /** at most so many rows; of JSON 1 to 1000, default 100; of Arrow default all. */
  limit?: number | null;
  /** without the first so many; a cursor is faster, and safe from writes. */
  offset?: number;
  /** `next_cursor` of the page before, with its other arguments. */
  cursor?: string | null;
  /** `exact` to count the rows of all pages. */
  count?: "none" | "exact";
  /** `count(*)`, and `sum`, `avg`, `min`, `max` and `count` of a column: `sum(score)`. */
  aggregate?: string | string[] | null;
  /** the columns by whose values aggregates are taken; they come first. */
  group_by?: string | string[] | null;
  /** rows that are deleted softly, too. */
  include_deleted?: boolean;
  /** how media values are sent: `url`, `thumbnail:N` or `bytes`. */
  media?: string;
  /** read this version of the table; default the live one. */
  version?: number | null;
}

/** Read rows of a table as `Table.rows` does, with the arguments in a body, where a condition may be longer than a URL. */
export interface TableQueryRequest {
  /** as of `Table.rows`. */
  table_path: string;
  /** as of `Table.rows`. */
  select?: string | string[] | null;
  /** as of `Table.rows`. */
  where?: string | Record<string, unknown> | null;
  /** as of `Table.rows`. */
  parameters?: (string | number | boolean | null)[] | null;
  /** as of `Table.rows`. */
  order_by?: string | string[] | null;
  /** as of `Table.rows`. */
  limit?: number | null;
  /** as of `Table.rows`. */
  offset?: number;
  /** as of `Table.rows`. */
  cursor?: string | null;
  /** as of `Table.rows`. */
  count?: "none" | "exact";
  /** as of `Table.rows`. */
  aggregate?: string | string[] | null;
  /** as of `Table.rows`. */
  group_by?: string | string[] | null;
  /** as of `Table.rows`. */
  include_deleted?: boolean;
  /** as of `Table.rows`. */
  media?: string;
  /** as of `Table.rows`. */
  version?: number | null;
}

/** Let rows of a table be deleted softly: it gets a column `deleted_at`, which ordinary reads do not show. Asked again, nothing happens. */
export interface TableEnableSoftDeleteRequest {
  /** its path. */
  table_path: string;
}

/** Let no more rows of a table be deleted softly: its column goes. Refused while rows are hidden, for they would be shown again. */
export interface TableDisableSoftDeleteRequest {
  /** its path. */
  table_path: string;
  /** delete these rows for good, as `Table.delete` does, which takes its permission. */
  purge?: boolean;
}

/** Show rows of a table again that were deleted softly, as one version, or none of them. Rows that are not deleted stay as they are. */
export interface TableRestoreRequest {
  /** its path. */
  table_path: string;
  /** the condition, as in a SELECT with `include_deleted`, so it may ask for `deleted_at`; or a filter in JSON. */
  where?: string | Record<string, unknown> | null;
  /** the values of `$1`, `$2`, ... in it. */
  parameters?: (string | number | boolean | null)[] | null;
  /** the row ids instead of a condition, at most 10,000. */
  row_ids?: number[] | null;
  /** restore nothing where it would be more rows; default any number. */
  max_affected?: number | null;
  /** restore nothing, and tell how many rows it would be. */
  dry_run?: boolean;
  /** must be true where there is neither. */
  all_rows?: boolean;
  /** a name of the client's for this: asked again under it, it is not done again. */
  idempotency_key?: string | null;
}

/** Run one INSERT, UPDATE or DELETE, as one version of its table, or one DROP TABLE. */
export interface ExecuteRequest {
  /** `INSERT INTO t (...) VALUES ...` or `SELECT ...`, `UPDATE t SET ... WHERE ...` or `DELETE FROM t WHERE ...`; placeholders `$1` or `?`. A DELETE needs the permission for that, `DROP TABLE [IF EXISTS] t [CASCADE]` that to change schemas. */
  sql: string;
  /** the values of the placeholders, in order. */
  parameters?: (string | number | boolean | null)[] | null;
  /** a name of the client's for this write: asked again under it, it is not done again; not for a DROP. */
  idempotency_key?: string | null;
}

/** List the tables of a directory that this key may read. */
export interface ListTablesRequest {
  /** path of the directory; empty, or `/`, is the root. */
  dir_path?: string;
  /** whether tables of directories inside are listed too. */
  recursive?: boolean;
}

/** List the versions of a table, newest first. */
export interface TableVersionsRequest {
  /** its path, without a version. */
  table_path: string;
  /** at most so many; default all. */
  limit?: number | null;
}

/** List what was written to a table through this server and others of ours, newest first. */
export interface TableWritesRequest {
  /** its path, without a version. */
  table_path: string;
  /** at most so many; default all. */
  limit?: number | null;
}

/** Describe a table, view or snapshot: its columns, its key, its indexes, what it stands on and what stands on it. */
export interface GetTableRequest {
  /** its path; `films:3` is an earlier version of it. */
  path: string;
}

/** Describe a table, as `get_table` does. */
export interface TableInfoRequest {
  /** its path; `films:3` is an earlier version of it. */
  path: string;
}

/** Drop a table, view or snapshot with all of its versions; nothing brings it back. */
export interface DropTableRequest {
  /** its path. */
  path: string;
  /** whether the views and snapshots that stand on it go with it. */
  force?: boolean;
  /** `error`, or `ignore` where there is none. */
  if_missing?: "error" | "ignore";
}

/** Give a table, view or snapshot another name, directory, or both; its versions go with it. */
export interface MoveTableRequest {
  /** its path. */
  path: string;
  /** where it shall be; the directory must be there. */
  new_path: string;
  /** what to do where there is something: `error`, or `ignore`, which leaves both as they are. */
  if_exists?: "error" | "ignore";
}

/** Make a view: rows and columns of a table, which follow that. */
export interface CreateViewRequest {
  /** where it shall be; the directory must be there. */
  path: string;
  /** the path of the table, view or snapshot that it is of. */
  base: string;
  /** the condition of its rows, in SQL: `score > 8 AND name LIKE 'A%'`; default all. */
  where?: string | null;
  /** the names of its columns; default all. */
  columns?: string[] | null;
  /** what to do where there is a view: `error`; `ignore`, if it is of the same base; or `replace`, unless others stand on it. */
  if_exists?: "error" | "ignore" | "replace";
  /** what it is for. */
  comment?: string;
}

/** Make a snapshot: a table or view as it is now, for good. */
export interface CreateSnapshotRequest {
  /** where it shall be; the directory must be there. */
  path: string;
  /** the path of the table, view or snapshot that it is of. */
  base: string;
  /** what to do where there is a snapshot: `error`; `ignore`, if it is of the same base; or `replace`, unless others stand on it. */
  if_exists?: "error" | "ignore" | "replace";
  /** what it is for. */
  comment?: string;
}

/** Insert record batches into a table, as one version, or none of them. */
export interface TableInsertRequest {
  /** its path. */
  table_path: string;
  /** `abort`, or `ignore` to leave out the rows that are at fault, and answer them; computed and media cells that fail are NULL then, with their error in `col__errormsg`. */
  on_error?: "abort" | "ignore";
  /** a name of the client's for this insert, 1 to 200 printable characters: asked again under it within 24 hours, the insert is not done again. */
  idempotency_key?: string | null;
  /** the rows, where they are sent as JSON; as Arrow they are the body. */
  rows?: Record<string, unknown>[];
}

/** Make a table: empty, of declared columns, or of record batches, which nobody sees it without. */
export interface CreateTableRequest {
  /** its path; the directory must be there. */
  path: string;
  /** its columns by name, in order: a type as Pixeltable prints it (`Int`, `String | None`, `Array[(3, None), float32]`), or `{"type", "nullable", "comment"}`. */
  schema?: Record<string, string | ColumnSpec> | null;
  /** what to do where there is one: `error`; `ignore`, which answers that; `append` the rows to it; or `replace` it, which drops its versions. */
  if_exists?: "error" | "ignore" | "append" | "replace";
  /** the name or names of its key columns; they take no NULL. */
  primary_key?: string | string[] | null;
  /** as of `insert`. */
  on_error?: "abort" | "ignore";
  /** what the table is for. */
  comment?: string;
  /** as of `insert`. */
  idempotency_key?: string | null;
  /** the rows, where they are sent as JSON; as Arrow they are the body. */
  rows?: Record<string, unknown>[];
}

/** What each operation is asked, and what it answers. */
export interface Operations {
  "pixeltable.capabilities": { request: CapabilitiesRequest; response: Capabilities };
  "table.update": { request: TableUpdateRequest; response: Written };
  "table.delete": { request: TableDeleteRequest; response: Written };
  "table.update_rows": { request: TableUpdateRowsRequest; response: RowsWritten };
  "table.delete_rows": { request: TableDeleteRowsRequest; response: RowsWritten };
  "table.revert": { request: TableRevertRequest; response: Written };
  "table.columns": { request: TableColumnsRequest; response: ColumnInfo[] };
  "table.add_column": { request: TableAddColumnRequest; response: SchemaChange };
  "table.drop_column": { request: TableDropColumnRequest; response: SchemaChange };
  "table.rename_column": { request: TableRenameColumnRequest; response: SchemaChange };
  "table.alter_column": { request: TableAlterColumnRequest; response: SchemaChange };
  "pixeltable.delete_all_tables": { request: DeleteAllTablesRequest; response: TablesDeleted };
  "pixeltable.list_dirs": { request: ListDirsRequest; response: string[] };
  "pixeltable.get_dir_contents": { request: GetDirContentsRequest; response: DirectoryContents };
  "pixeltable.create_dir": { request: CreateDirRequest; response: SchemaChange };
  "pixeltable.drop_dir": { request: DropDirRequest; response: SchemaChange };
  "pixeltable.export_to_parquet": { request: ExportToParquetRequest; response: Exported };
  "pixeltable.export_to_s3": { request: ExportToS3Request; response: Exported };
  "pixeltable.health": { request: HealthRequest; response: Health };
  "table.indexes": { request: TableIndexesRequest; response: IndexInfo[] };
  "table.add_index": { request: TableAddIndexRequest; response: IndexInfo };
  "table.drop_index": { request: TableDropIndexRequest; response: SchemaChange };
  "pixeltable.query": { request: QueryRequest; response: QueryRows };
  "pixeltable.explain": { request: ExplainRequest; response: Explanation };
  "table.get_row": { request: TableGetRowRequest; response: FoundRow };
  "table.replace_row": { request: TableReplaceRowRequest; response: RowWritten };
  "table.update_row": { request: TableUpdateRowRequest; response: RowWritten };
  "table.delete_row": { request: TableDeleteRowRequest; response: RowWritten };
  "table.rows": { request: TableRowsRequest; response: RowsPage };
  "table.query": { request: TableQueryRequest; response: RowsPage };
  "table.enable_soft_delete": { request: TableEnableSoftDeleteRequest; response: SoftDelete };
  "table.disable_soft_delete": { request: TableDisableSoftDeleteRequest; response: SoftDelete };
  "table.restore": { request: TableRestoreRequest; response: Written };
  "pixeltable.execute": { request: ExecuteRequest; response: Written };
  "pixeltable.list_tables": { request: ListTablesRequest; response: string[] };
  "table.versions": { request: TableVersionsRequest; response: Version[] };
  "table.writes": { request: TableWritesRequest; response: WriteRecord[] };
  "pixeltable.get_table": { request: GetTableRequest; response: TableInfo };
  /** @deprecated get_table */
  "pixeltable.table_info": { request: TableInfoRequest; response: TableInfo };
  "pixeltable.drop_table": { request: DropTableRequest; response: SchemaChange };
  "pixeltable.move_table": { request: MoveTableRequest; response: SchemaChange };
  "pixeltable.create_view": { request: CreateViewRequest; response: SchemaChange };
  "pixeltable.create_snapshot": { request: CreateSnapshotRequest; response: SchemaChange };
  "table.insert": { request: TableInsertRequest; response: RowsWritten };
  "pixeltable.create_table": { request: CreateTableRequest; response: RowsWritten };
}

export const OPERATIONS = {
  "pixeltable.capabilities": { method: "GET", path: "/api/v1/capabilities", action: "pixeltable.capabilities", takesRows: false, answersRows: false },
  "table.update": { method: "PATCH", path: "/api/v1/tables/{table_path}/rows", action: "table.update", takesRows: false, answersRows: false },
  "table.delete": { method: "DELETE", path: "/api/v1/tables/{table_path}/rows", action: "table.delete", takesRows: false, answersRows: false },
  "table.update_rows": { method: "POST", path: "/api/table/update_rows", action: "table.update_rows", takesRows: true, answersRows: false },
  "table.delete_rows": { method: "POST", path: "/api/table/delete_rows", action: "table.delete_rows", takesRows: true, answersRows: false },
  "table.revert": { method: "POST", path: "/api/v1/tables/{table_path}/revert", action: "table.revert", takesRows: false, answersRows: false },
  "table.columns": { method: "GET", path: "/api/v1/tables/{table_path}/columns", action: "table.columns", takesRows: false, answersRows: false },
  "table.add_column": { method: "POST", path: "/api/v1/tables/{table_path}/columns", action: "table.add_column", takesRows: false, answersRows: false },
  "table.drop_column": { method: "DELETE", path: "/api/v1/tables/{table_path}/columns/{column}", action: "table.drop_column", takesRows: false, answersRows: false },
  "table.rename_column": { method: "PATCH", path: "/api/v1/tables/{table_path}/columns/{column}", action: "table.rename_column", takesRows: false, answersRows: false },
  "table.alter_column": { method: "PUT", path: "/api/v1/tables/{table_path}/columns/{column}", action: "table.alter_column", takesRows: false, answersRows: false },
  "pixeltable.delete_all_tables": { method: "POST", path: "/api/pixeltable/delete_all_tables", action: "pixeltable.delete_all_tables", takesRows: false, answersRows: false },
  "pixeltable.list_dirs": { method: "GET", path: "/api/v1/dirs", action: "pixeltable.list_dirs", takesRows: false, answersRows: false },
  "pixeltable.get_dir_contents": { method: "GET", path: "/api/v1/dirs/{path}", action: "pixeltable.get_dir_contents", takesRows: false, answersRows: false },
  "pixeltable.create_dir": { method: "POST", path: "/api/v1/dirs", action: "pixeltable.create_dir", takesRows: false, answersRows: false },
  "pixeltable.drop_dir": { method: "DELETE", path: "/api/v1/dirs/{path}", action: "pixeltable.drop_dir", takesRows: false, answersRows: false },
  "pixeltable.export_to_parquet": { method: "POST", path: "/api/pixeltable/export_to_parquet", action: "pixeltable.export_to_parquet", takesRows: false, answersRows: false },
  "pixeltable.export_to_s3": { method: "POST", path: "/api/pixeltable/export_to_s3", action: "pixeltable.export_to_s3", takesRows: false, answersRows: false },
  "pixeltable.health": { method: "GET", path: "/healthz", action: "pixeltable.health", takesRows: false, answersRows: false },
  "table.indexes": { method: "GET", path: "/api/v1/tables/{table_path}/indexes", action: "table.indexes", takesRows: false, answersRows: false },
  "table.add_index": { method: "POST", path: "/api/v1/tables/{table_path}/indexes", action: "table.add_index", takesRows: false, answersRows: false },
  "table.drop_index": { method: "DELETE", path: "/api/v1/tables/{table_path}/indexes/{index}", action: "table.drop_index", takesRows: false, answersRows: false },
  "pixeltable.query": { method: "POST", path: "/api/v1/query", action: "pixeltable.query", takesRows: false, answersRows: true },
  "pixeltable.explain": { method: "POST", path: "/api/v1/explain", action: "pixeltable.explain", takesRows: false, answersRows: false },
  "table.get_row": { method: "GET", path: "/api/v1/tables/{table_path}/rows/{row_id}", action: "table.get_row", takesRows: false, answersRows: false },
  "table.replace_row": { method: "PUT", path: "/api/v1/tables/{table_path}/rows/{row_id}", action: "table.replace_row", takesRows: false, answersRows: false },
  "table.update_row": { method: "PATCH", path: "/api/v1/tables/{table_path}/rows/{row_id}", action: "table.update_row", takesRows: false, answersRows: false },
  "table.delete_row": { method: "DELETE", path: "/api/v1/tables/{table_path}/rows/{row_id}", action: "table.delete_row", takesRows: false, answersRows: false },
  "table.rows": { method: "GET", path: "/api/v1/tables/{table_path}/rows", action: "table.rows", takesRows: false, answersRows: true },
  "table.query": { method: "POST", path: "/api/v1/tables/{table_path}/query", action: "table.query", takesRows: false, answersRows: true },
  "table.enable_soft_delete": { method: "POST", path: "/api/v1/tables/{table_path}/soft-delete", action: "table.enable_soft_delete", takesRows: false, answersRows: false },
  "table.disable_soft_delete": { method: "DELETE", path: "/api/v1/tables/{table_path}/soft-delete", action: "table.disable_soft_delete", takesRows: false, answersRows: false },
  "table.restore": { method: "POST", path: "/api/v1/tables/{table_path}/restore", action: "table.restore", takesRows: false, answersRows: false },
  "pixeltable.execute": { method: "POST", path: "/api/v1/execute", action: "pixeltable.execute", takesRows: false, answersRows: false },
  "pixeltable.list_tables": { method: "GET", path: "/api/v1/tables", action: "pixeltable.list_tables", takesRows: false, answersRows: false },
  "table.versions": { method: "GET", path: "/api/v1/tables/{table_path}/versions", action: "table.versions", takesRows: false, answersRows: false },
  "table.writes": { method: "GET", path: "/api/v1/tables/{table_path}/writes", action: "table.writes", takesRows: false, answersRows: false },
  "pixeltable.get_table": { method: "GET", path: "/api/v1/tables/{path}", action: "pixeltable.get_table", takesRows: false, answersRows: false },
  "pixeltable.table_info": { method: "GET", path: "/api/v1/tables/{path}/info", action: "pixeltable.table_info", takesRows: false, answersRows: false },
  "pixeltable.drop_table": { method: "DELETE", path: "/api/v1/tables/{path}", action: "pixeltable.drop_table", takesRows: false, answersRows: false },
  "pixeltable.move_table": { method: "POST", path: "/api/v1/tables/{path}/move", action: "pixeltable.move_table", takesRows: false, answersRows: false },
  "pixeltable.create_view": { method: "POST", path: "/api/v1/views", action: "pixeltable.create_view", takesRows: false, answersRows: false },
  "pixeltable.create_snapshot": { method: "POST", path: "/api/v1/snapshots", action: "pixeltable.create_snapshot", takesRows: false, answersRows: false },
  "table.insert": { method: "POST", path: "/api/v1/tables/{table_path}/rows", action: "table.insert", takesRows: true, answersRows: false },
  "pixeltable.create_table": { method: "POST", path: "/api/v1/tables", action: "pixeltable.create_table", takesRows: true, answersRows: false },
} as const satisfies Record<keyof Operations, OperationInfo>;
