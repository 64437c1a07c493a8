"""The restricted role, connected as itself without us between: what Postgres alone keeps it from."""

import psycopg
import pytest

DENIED = {
    "our keys": "select * from pxt_flight.keys",
    "our secrets": "select value from pxt_flight.secrets",
    "Pixeltable's tables": "select * from tables",
    "their ids": "select id from tables",
    "Pixeltable's directories": "select * from dirs",
    "Pixeltable's versions": "select * from tableversions",
    "Pixeltable's schemas": "select * from tableschemaversions",
    "passwords": "select * from pg_authid",
    "passwords by their view": "select * from pg_shadow",
    "a file": "select pg_read_file('postgresql.conf')",
    "a binary file": "select pg_read_binary_file('global/pg_control')",
    "a folder": "select pg_ls_dir('.')",
    "the log": "select * from pg_ls_logdir()",
    "a file by COPY": "copy (select 1) to '/tmp/pxt_flight_reader'",
    "a program": "copy (select 1) to program 'true'",
    "a large object from a file": "select lo_import('/etc/hostname')",
    "a new table": "create table reader_table (a int)",
    "a new schema": "create schema reader_schema",
    "a new function": "create function public.reader_function() returns int language sql as 'select 1'",
    "an extension": "drop extension plpgsql",
    "a new role": "create role reader_role",
    "a new database": "create database reader_database",
    "a table in our schema": "create table pxt_flight.reader_table (a int)",
    "more rights": "alter role current_user superuser",
    "another role": "set role postgres",
    "another login": "set session authorization postgres",
    "the server's settings": "alter system set work_mem = '1GB'",
    "more temporary files": "set temp_file_limit = '100GB'",
    "another's session": "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres' and pid <> pg_backend_pid()",
    "a reload": "select pg_reload_conf()",
    "its own grants": "grant select on tables to public",
}


@pytest.fixture
def role(reader):
    """A session of the role."""
    with psycopg.connect(reader, autocommit=True) as connection:
        # The read-only session is a second wall: here the rights alone must hold.
        connection.execute("set default_transaction_read_only = off")
        yield connection


@pytest.fixture
def table(make_table, pxt):
    return make_table(
        {"a": pxt.Int, "b": pxt.String, "c": pxt.Json | None}, [{"a": i, "b": f"secret {i}", "c": {"n": i}} for i in range(3)]
    )


@pytest.fixture
def stored(table):
    """The table's name in the store."""
    return f"tbl_{table.get_metadata()['id'].hex}"


def readable(role, stored):
    """The columns of a stored table that the role may read."""
    return {
        name
        for (name,) in role.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and has_column_privilege(attrelid, attnum, 'select')",
            [stored],
        )
    }


@pytest.mark.parametrize("what", DENIED)
def test_denied(role, what):
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)) as caught:
        role.execute(DENIED[what]).fetchall()
    assert caught.value.sqlstate == "42501"


def test_its_sessions_are_read_only(reader):
    with psycopg.connect(reader, autocommit=True) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("create temporary table reader_table (a int)")


def test_it_is_nobody(role):
    rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit"
    assert role.execute(f"select {rights} from pg_roles where rolname = current_user").fetchone() == (False,) * 6
    assert role.execute("select count(*) from pg_auth_members where member = current_user::regrole").fetchone() == (0,)
    assert role.execute("select count(*) from pg_class where relowner = current_user::regrole").fetchone() == (0,)


def test_a_table_that_nobody_planned(role, table, stored):
    assert readable(role, stored) == set()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        role.execute(f"select count(*) from {stored}")


def test_columns_are_granted_one_by_one(role, table, stored, read):
    """What is planned may be read, with the columns that tell a row's version; nothing else of the table, and nothing written."""
    name = table.get_metadata()["name"]
    read(f"select a from {name}", tier="copy")
    first = readable(role, stored)
    assert first == {"v_min", "v_max", "col_0"}
    assert role.execute(f"select col_0 from {stored} order by 1").fetchall() == [(0,), (1,), (2,)]
    for wrong in (f"select col_1 from {stored}", f"select * from {stored}", f"select t from {stored} t", f"table {stored}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            role.execute(wrong)
    read(f"select _rowid, c from {name} where a > 0", tier="copy")
    assert readable(role, stored) == first | {"rowid", "col_2", "col_2_cellmd"}
    for write in ("delete from {}", "update {} set col_0 = 1", "insert into {} (col_0) values (1)", "truncate {}", "drop table {}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            role.execute(write.format(stored))


def test_a_refused_statement_grants_nothing(role, table, stored, engine):
    from pxt_flight.engine.scan import Request
    from pxt_flight.errors import PxtFlightError

    name = table.get_metadata()["name"]
    for sql in (f"select b, version() from {name}", f"select b from {name} union select 1 from nowhere", f"delete from {name}"):
        with pytest.raises(PxtFlightError):
            engine.plan(Request(sql))
    assert readable(role, stored) == set()


def test_two_engines_grant_at_once(new_engine, make_table, pxt):
    """Each of its own table and both of one, without a conflict in Postgres' catalog."""
    from concurrent.futures import ThreadPoolExecutor

    from pxt_flight.engine.scan import Request

    columns = [f"c{i}" for i in range(12)]
    table = make_table(dict.fromkeys(columns, pxt.Int | None), [dict.fromkeys(columns, 1)])
    name, engines = table.get_metadata()["name"], [new_engine(), new_engine()]

    def ask(i):
        stream = engines[i % 2].stream(Request(f"select {columns[i // 2]} from {name}"))
        return sum(batch.num_rows for batch in stream.batches)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(ask, range(24))) == [1] * 24
