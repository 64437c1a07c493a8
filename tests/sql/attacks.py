"""Attacks on each wall: the allow-list, the names, the literals, the role, and the limits of a query.

`movie` is a table that exists. REFUSED must be refused whatever else is true; HARMLESS may answer, with nothing of the store in it.
"""

CATALOGS = [
    "select * from pg_catalog.pg_class",
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_stat_activity",
    "select * from pg_roles",
    "select * from information_schema.tables",
    "select * from information_schema.columns",
    "select * from pixeltable.pg_catalog.pg_tables",
    'select * from "pixeltable"."public"."tables"',
    'select * from "public"."tables"',
    'select * from "pg_catalog"."pg_class"',
    'select * from "pg_catalog.pg_class"',
    'select * from "pg_catalog/pg_class"',
    "select * from pxt_flight.keys",
    "select * from pxt_flight.secrets",
    'select * from "pxt_flight"."secrets"',
    "select * from tables",
    "select * from dirs",
    "select * from tableversions",
    "select * from tbl_0123456789abcdef0123456789abcdef",
    'select * from "tbl_0123456789abcdef0123456789abcdef"',
    "select id from movie where exists (select 1 from pg_authid)",
    "select (select count(*) from pg_class) from movie",
    "select m.id from movie m join pg_class c on true",
    "select id from movie union all select oid::int from pg_class",
    "select id from movie, lateral (select * from pg_class) c",
    "with pg_class as (select 1 as x), y as (select * from pg_catalog.pg_class) select * from y",
    "with x as (select * from pg_authid) select 1",
    "table pg_authid",
    "select ctid from movie",
    "select xmin, xmax, cmin, cmax from movie",
    "select tableoid from movie",
    "select m.ctid from movie m",
    "select v_min, v_max from movie",
    "select rowid from movie",
    "select col_0 from movie",
    "select count(*) from movie group by tableoid",
    "select id from movie order by ctid",
    "select 'movie'::regclass",
    "select 'pg_class'::regclass::oid",
    "select 1::oid::regclass",
    "select 'postgres'::regrole",
    "select 'pg_catalog'::regnamespace",
    "select 'pg_sleep'::regproc",
    "select 'int4'::regtype",
    "select cast('pg_class' as regclass)",
    "select regclass 'pg_class'",
    "select 'x'::name",
    "select 1::oid",
    "select '(1,1,1)'::pxt_flight.cell",
    'select \'(1,{1},1)\'::"pxt_flight"."cell"',
    "select cast('(1)' as pg_catalog.pg_class)",
    "select null::pg_class",
    "select null::movie",
    "select '<a/>'::xml",
    "select 'x'::tsvector",
    "select '{1}'::oid[]",
    "select '[1,2]'::int4range",
    "select 'pg_catalog.int4'::regtype[]",
]
FUNCTIONS = (
    [f"select lpad('x', {'9' * 5000})", f"select format('%{'9' * 5000}s', 'x')"]
    + [
        f"select {call}"
        for call in """pg_sleep(10)
pg_sleep_for('1 day')
"pg_sleep"(10)
PG_SLEEP(10)
pg_catalog.pg_sleep(10)
pg_catalog."pg_sleep"(10)
"pg_catalog"."pg_sleep"(10)
pg_read_file('/etc/passwd')
pg_read_binary_file('/etc/passwd')
pg_ls_dir('.')
pg_ls_logdir()
pg_stat_file('.')
lo_import('/etc/passwd')
lo_export(1, '/tmp/x')
lo_get(1)
lo_from_bytea(0, 'x')
dblink('', 'select 1')
set_config('role', 'postgres', false)
current_setting('data_directory')
query_to_xml('select 1', true, true, '')
table_to_xml('pg_class', true, true, '')
database_to_xml(true, true, '')
cursor_to_xml('c', 1, true, true, '')
ts_stat('select 1')
pg_terminate_backend(1)
pg_cancel_backend(1)
pg_reload_conf()
pg_advisory_lock(1)
pg_notify('x', 'y')
nextval('x')
setval('x', 1)
txid_current()
pg_current_xact_id()
pg_export_snapshot()
version()
inet_server_addr()
inet_client_addr()
pg_backend_pid()
pg_postmaster_start_time()
current_database()
current_schemas(true)
has_table_privilege('movie', 'select')
pg_get_viewdef(1)
pg_typeof(1)
to_regclass('pg_class')
format_type(23, null)
obj_description(1)
pg_relation_filepath('movie')
pg_size_pretty(1)
generate_series(1, 1000000000)
repeat('x', 1000000000)
gen_random_bytes(1)
crypt('a', 'b')
xmlparse(document '<a/>')
xpath('/a', '<a/>')
to_tsvector('a')
pxt_flight.objects('{}', 'a', 'b', 'c')
objects('{}', 'a', 'b', 'c')
"pxt_flight"."objects"('{}', 'a', 'b', 'c')
pxt_flight.objects('{}', 'a', 'b', 'c')::text
lpad('x', 1000000000)
lpad('x', 100000 * 100000)
rpad('x', (select 1000000000))
format('%1000000000s', 'x')
format('%1$-1000000000s', 'x')
format('%*s', 1000000000, 'x')
format('%2$*1$s', 1000000000, 'x')
format('%' || '1000000000s', 'x')
format($$%1000000000s$$, 'x')
format((select '%1000000000s'), 'x')
lpad('x', '1000000000'::int)
current_user
session_user
current_catalog
current_schema
current_role
array_fill(1, array[100000, 100000])
jsonb_populate_record(null::pg_class, '{}')
json_to_record('{}')
clock_timestamp()
pg_try_advisory_xact_lock(1)
binary_upgrade_set_next_pg_type_oid(1)
unnest(pg_ls_dir('.'))
coalesce(pg_sleep(10)::text, 'x')""".split("\n")
    ]
    + [
        "select * from generate_series(1, 1000000000)",
        "select * from pg_ls_dir('.') as t",
        "select * from rows from (pg_ls_dir('.'), pg_ls_dir('/')) as t",
        "select * from lateral pg_ls_dir('.') t",
        "select id from movie where pg_sleep(10) is null",
        "select id from movie order by pg_sleep(10)",
        "select id from movie limit (select pg_sleep(10)::text::int)",
        "select sum(pg_sleep(10)::text::int) over () from movie",
        "select count(*) filter (where pg_sleep(10) is null) from movie",
        "select case when true then pg_sleep(10)::text end",
        "select array[pg_sleep(10)::text]",
        "select 1 operator(pg_catalog.+) 1",
        "select 1 operator(public.+) 1",
        'select name collate "pg_catalog"."C" from movie',
        'select name collate "en_US" from movie',
        "select (select row(1, 2)).f1",
        "select (row(1, 'a')).f2",
        "select (m).col_0 from movie m",
        "select (m.*).id from movie m",
        "select (m)::text::xml from movie m",
        "select (tags).x from movie",
    ]
)
STATEMENTS = [
    "select * into x from movie",
    "select id from movie for update",
    "select id from movie for share nowait",
    "select id from movie for no key update of movie skip locked",
    "copy movie to stdout",
    "copy (select 1) to program 'id'",
    "do $$ begin perform pg_sleep(10); end $$",
    "select 1; select 2",
    "select 1; drop table movie",
    "select 1;;select 2",
    "explain select 1",
    "explain (analyze, verbose) select * from movie",
    "set role postgres",
    "set search_path = pg_catalog",
    "reset role",
    "show data_directory",
    "listen x",
    "notify x, 'y'",
    "unlisten *",
    "prepare x as select 1",
    "execute x",
    "deallocate all",
    "discard all",
    "declare c cursor for select 1",
    "fetch all from c",
    "begin; select 1",
    "savepoint x",
    "create temp table x as select 1",
    "create function f() returns int language sql as 'select 1'",
    "alter role postgres superuser",
    "grant all on movie to public",
    "with x as (insert into movie (id) values (1) returning id) select * from x",
    "with x as (update movie set id = 1 returning id) select * from x",
    "with x as (delete from movie returning id) select * from x",
    "with x as (select 1) insert into movie select * from x",
    "with x as (select 1) delete from movie",
    "select * from (delete from movie returning id) x",
    "merge into movie using movie m on true when matched then delete",
    "call f()",
    "security label on table movie is 'x'",
    "import foreign schema x from server y into z",
    "select id from only movie",
    "select id from movie tablesample bernoulli (10)",
    "values (1), (2)",
    "select * from movie where current of c",
    "select * from json_table('[]', '$[*]' columns (a int path '$.a')) t",
    "select * from xmltable('/a' passing '<a/>' columns b int) t",
]
NAMES = [
    'select * from "pxt$0"',
    'with "pxt$0" as (select 1 as x) select * from "pxt$0"',
    'with "pxt$1" as (select 1) select * from movie',
    'select id as "pxt$0" from movie',
    'select "pxt$0".id from movie "pxt$0"',
    'select "pxt$0".id from movie',
    'select * from "../movie"',
    'select * from "movie/../movie"',
    'select * from "/movie"',
    'select * from "//movie"',
    'select * from "a/./movie"',
    'select * from ".".movie',
    'select * from "..".movie',
    'select * from ""',
    'select * from "movie:"',
    'select * from "movie:-1"',
    'select * from "movie:9999999999"',
    'select * from "movie:0x1"',
    'select * from "movie\' or true --"',
    'select * from "movie"";drop table x"',
    'select * from "movie\\"',
    'select * from "mov\u0131e"',
    'select * from "movi\u0435"',
    'select * from "\u202emovie"',
    'select * from "movie\0"',
    'select * from "movie\n"',
    'select * from "' + "a" * 10_000 + '"',
    'select * from "' + "a/" * 5_000 + 'b"',
    "select * from " + ".".join(["a"] * 500),
    "select pixeltable.public.movie.id from pg_catalog.movie",
    "select * from http.movie, 'https://example.org'",
]
LITERALS = [
    r"select E'\'; drop table movie; --'",
    r"select e'\x27'",
    r"select U&'\0027 or 1=1'",
    r"select U&'!0027' UESCAPE '!'",
    'select U&"\\0061" from movie',
    "select 'a' 'b'",
    "select 'a",
    "select $$a",
    "select $a$ b $b$",
    "select $1$ b $1$",
    "select /* 'a",
    "select /* /* nested */ 1",
    "select 1 /* */ */",
    "select 'a\0'",
    "select '\ud800'",
    "select \u2018a\u2019",
    "select \uff07a\uff07",
    "select `a`",
    "select [a] from movie",
    "select q'[it's]'",
    "select _utf8'a'",
    "select B'102'",
    "select X'zz'",
    "select 1e",
    "select 1__0",
    "select :'x'",
    "select :name from movie",
    "select %(x)s",
    "select {{ id }} from movie",
    "select {% raw %}",
    "select @@version",
    "select #{x}",
]
REFUSED = [*CATALOGS, *FUNCTIONS, *STATEMENTS, *NAMES, *LITERALS]

HARMLESS = [
    "table movie",
    "select id from movie * limit 1",
    "select m.*::text from movie m limit 1",
    'select id from "".movie limit 1',
    "with pg_class as (select 1 as x) select * from pg_class",
    "with pg_authid (rolname) as (select name from place) select * from pg_authid",
    'with "pxt_flight.keys" as (select 1 as x) select * from "pxt_flight.keys"',
    'select id as "tbl_0; drop table movie" from movie limit 1',
    "select m::text from movie m limit 1",
    "select m from movie m limit 1",
    "select row_to_json(m) from movie m limit 1",
    "select to_jsonb(m) from movie m limit 1",
    "select movie from movie limit 1",
    "select row(m.*)::text from movie m limit 1",
    "select format('%s', m) from movie m limit 1",
    "select concat(m) from movie m limit 1",
    "select array_agg(m)::text from movie m where id < 2",
    "select jsonb_agg(m) from movie m where id < 2",
    "select string_agg(m::text, '') from movie m where id < 2",
    "select 'pg_sleep(10)', $$; drop table movie$$, '\\'; --', '\\''--'",
    "select $q$ $$ ' \" \\ -- /* $q$",
    "select '\u2019; drop table movie --', '\uff07'",
    "select 1 /* ; drop table movie */ -- ; drop table movie",
    "select 1 /* /* */ drop table movie */",
    "select '/*', 1, '*/'",
    'select id as "a""b\'c\\d" from movie limit 1',
    "select format('%I %L', 'a\"b', 'it''s \\')",
    "select 1 where 'a' = $$a'$$ or 1 = 1",
    "select 1 + case when 'x' ~ '(a+)+$' then 1 else 2 end",
    "select '{\"a\": 1}'::jsonb @? '$.** ? (@ == 1)'",
    "select regexp_replace(repeat_, 'x', 'y') from (values ('xx')) v (repeat_)",
    "select translate('abc', 'abc', '''\"\\')",
    "select chr(39) || chr(92) || chr(34)",
    "select '%s %(x)s %% {0} $1 :x ? @y #z'",
    "select current_time is not null, now() is not null",
]
# They are cut off by the time a query may take, or by its memory.
BOMBS = [
    "with recursive t (n) as (select 1 union all select n + 1 from t) select sum(n) from t",
    "with recursive t (n) as (select 1 union all select n from t) select count(*) from t",
    "select count(*) from movie a, movie b, movie c, movie d",
    "select sum(a.id * b.id + c.id) from reading a cross join reading b cross join reading c cross join reading d",
    "select count(*) from movie a, movie b, movie c, movie d where a.name || b.name || c.name || d.name ~ '(x+x+)+y'",
    "with recursive t (s) as (select 'xxxxxxxxxx' union all select s || s from t) select max(length(s)) from t",
    "with recursive t (a) as (select array[1] union all select a || a from t) select max(cardinality(a)) from t",
    "select count(*) from (select distinct a.id, b.id, c.id, d.id from movie a, movie b, movie c, movie d) x",
    "select string_agg(a.name || b.name, '' order by a.id, b.id, c.id) from movie a, movie b, movie c, movie d",
    "select row_number() over (order by a.id + b.id * c.id + d.id) from movie a, movie b, movie c, movie d",
]
