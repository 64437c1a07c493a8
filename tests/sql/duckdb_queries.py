# ruff: noqa: E501  # a query stays on its line
"""Queries that DuckDB answers alike on the same rows.

Where the two dialects mean different things PostgreSQL is right, and what stands for it in DuckDB is written by hand beside it, with the
reason. (`at` is a reserved word of DuckDB, so it stands behind its table.) `ordered` is true where ORDER BY puts the rows in one possible order; else they are compared as multisets.
"""

from typing import NamedTuple


class Query(NamedTuple):
    """A query.

    Attributes:
        sql: as it goes to the server.
        duck: as it goes to DuckDB; None, the same text.
        parameters: the values of its placeholders.
        ordered: whether the order of the rows counts.
    """

    sql: str
    duck: str | None = None
    parameters: tuple[object, ...] = ()
    ordered: bool = True


def _any_order(sql: str, duck: str | None = None, *parameters: object) -> Query:
    return Query(sql, duck, parameters, ordered=False)


JOINS = [
    _any_order("select * from movie"),
    _any_order("select m.id, m.name, p.name from movie m join place p on p.id = m.place_id"),
    _any_order("select m.id, p.name from movie m left join place p on p.id = m.place_id and p.area > 10"),
    _any_order("select m.id, p.id from movie m right join place p on p.id = m.place_id and m.seen"),
    _any_order("select m.id, r.id, r.value from movie m full join reading r on r.movie_id = m.id"),
    Query("select a.id, b.id from place a cross join place b where a.id < b.id order by 1, 2"),
    Query("select a.name, b.name as parent from place a join place b on b.id = a.parent order by a.id"),
    _any_order("select place_id, count(*) from movie join reading using (place_id) group by place_id"),
    _any_order("select * from place natural join (select id, votes from movie) as v"),
    Query(
        "select p.id, x.value from place p cross join lateral (select value, id from reading r where r.place_id = p.id "
        "order by value desc nulls last, r.id limit 3) x order by p.id, x.id"
    ),
    Query(
        "select p.id, x.n from place p left join lateral (select count(*) as n from movie m where m.place_id = p.id) x on true order by 1"
    ),
    Query("select a.id, b.id, c.id from place a left join (place b join place c on c.id = b.parent) on b.id = a.parent order by 1, 2, 3"),
    _any_order('select m.id, k.id from movie m join keyword k on k.id = m.votes and k."table" is not false'),
]
WITHS = [
    Query("with m as (select id, votes from movie where votes > 2) select count(*), sum(votes), min(id) from m"),
    Query(
        "with movie as (select * from movie where id < 9) select id, name from movie order by id",
        "select id, name from movie where id < 9 order by id",
    ),
    Query("with a as (select id from place), b as (select id + 1 as id from a) select a.id from a join b on a.id = b.id order by 1"),
    Query("with recursive t (n) as (values (1) union all select n + 1 from t where n < 50) select sum(n), count(*) from t"),
    Query(
        "with recursive up as (select id, parent, 0 as depth from place where id = 11 union all "
        "select p.id, p.parent, up.depth + 1 from place p join up on p.id = up.parent) select id, depth from up order by depth"
    ),
    Query("with x as materialized (select seen, votes from movie) select seen, max(votes) from x group by seen order by seen nulls first"),
    Query("select (with q as (select max(votes) as top from movie) select top from q) as top"),
]
WINDOWS = [
    Query(
        "select id, row_number() over (order by score desc nulls last, id) as n, rank() over (order by votes nulls last) as r from movie order by id"
    ),
    Query(
        "select id, dense_rank() over (order by votes nulls last), ntile(7) over (order by id), cume_dist() over (order by votes nulls last) from movie order by id"
    ),
    Query("select id, lag(votes) over w, lead(votes, 2, 0) over w from movie window w as (partition by seen order by id) order by id"),
    Query(
        "select id, first_value(id) over w, last_value(id) over w, nth_value(id, 2) over w from movie window w as (partition by place_id order by id) order by id"
    ),
    Query("select id, sum(votes) over (order by id rows between 3 preceding and current row) from movie order by id"),
    Query(
        "select id, sum(score) over (partition by seen order by id rows between unbounded preceding and 1 following exclude current row) from movie order by id"
    ),
    Query("select id, count(*) over (order by votes nulls last range between unbounded preceding and current row) from movie order by id"),
    Query("select id, count(*) over (order by votes nulls last groups between 1 preceding and 1 following) from movie order by id"),
    Query("select place_id, sum(sum(votes)) over (order by place_id nulls last) from movie group by place_id order by place_id nulls last"),
    Query("select id, avg(score) filter (where seen) over (partition by place_id) from movie order by id"),
]
SETS = [
    Query("select id from place union select votes from movie order by 1 nulls last"),
    _any_order("select place_id from movie union all select place_id from reading"),
    Query("select votes from movie intersect select id from place order by 1"),
    _any_order("select place_id from movie intersect all select place_id from reading"),
    Query("select id from place except select place_id from movie where seen order by 1"),
    _any_order("select place_id from reading except all select place_id from movie"),
    Query("(select id from movie order by id limit 3) union all (select id from place order by id desc limit 2) order by 1"),
    Query("select distinct votes, seen from movie order by 1 nulls first, 2 nulls first"),
    Query("select distinct on (place_id) place_id, id, score from movie order by place_id nulls last, score desc nulls last, id"),
]
SUBQUERIES = [
    Query("select id, (select count(*) from reading r where r.movie_id = m.id) as n from movie m order by id"),
    Query("select id from movie m where votes > (select avg(votes) from movie where seen = m.seen) order by id"),
    Query("select id from movie m where exists (select 1 from reading r where r.movie_id = m.id and r.value > 50) order by id"),
    Query("select id from movie m where not exists (select 1 from reading r where r.movie_id = m.id) order by id"),
    Query("select id from movie where place_id in (select id from place where area > 20) order by id"),
    Query("select id from movie where id not in (select movie_id from reading where movie_id is not null) order by id"),
    Query("select id from movie where score >= all (select score from movie where score is not null) order by id"),
    Query("select id from movie where votes = any (select id from place) order by id"),
    Query("select id from movie where (place_id, seen) in (select place_id, true from reading where value > 80) order by id"),
]
GROUPS = [
    Query(
        "select seen, count(*), count(votes), sum(votes), avg(votes), min(movie.at), max(day) from movie group by seen order by seen nulls last"
    ),
    Query("select votes % 2 as odd, count(*) from movie group by votes % 2 order by 1 nulls last"),
    Query("select date_trunc('month', movie.at) as month, count(*) as n from movie group by 1 having count(*) > 10 order by 1 nulls last"),
    _any_order("select seen, votes, count(*), grouping(seen, votes) from movie group by grouping sets ((seen, votes), (seen), ())"),
    _any_order("select seen, place_id, sum(score) from movie group by rollup (seen, place_id)"),
    _any_order("select seen, place_id, count(*) from movie group by cube (seen, place_id)"),
    Query("select count(*) filter (where seen), sum(votes) filter (where not seen), count(distinct votes) from movie"),
    Query(
        "select percentile_cont(0.5) within group (order by score), percentile_disc(0.25) within group (order by votes) from movie",
    ),
    Query("select mode() within group (order by place_id) from reading where place_id = 3"),
    Query("select string_agg(name, '|' order by id), array_agg(id order by score desc nulls last, id) from movie where id < 30"),
    Query("select bool_and(seen), bool_or(seen), bit_and(votes), bit_or(votes) from movie where votes >= 0"),
    Query("select sum(votes) / 2 from movie", "select sum(votes) // 2 from movie"),  # an integer divided by one is cut in Postgres
    Query("select stddev_pop(votes), var_samp(votes) from movie where votes < 200"),
]
ORDERS = [
    Query("select id, score from movie order by score desc nulls last, id limit 20 offset 5"),
    Query("select id, score from movie order by score asc nulls first, id desc limit 20"),
    Query(
        "select id, votes from movie order by votes desc, id limit 30",
        "select id, votes from movie order by votes desc nulls first, id limit 30",
    ),
    Query(
        "select id, votes from movie order by votes, id limit 30 offset 360",
        "select id, votes from movie order by votes nulls last, id limit 30 offset 360",
    ),
    Query("select id from movie order by id offset 390 rows fetch next 5 rows only", "select id from movie order by id limit 5 offset 390"),
]
VALUES = [
    Query("select id, case when votes > 5 then 'many' when votes is null then '?' else 'few' end from movie order by id"),
    Query(
        "select id, 7 / 2, votes / 3, votes % 3 from movie order by id", "select id, 7 // 2, votes // 3, votes % 3 from movie order by id"
    ),
    Query("select id, coalesce(name, 'none'), nullif(votes, 7), greatest(votes, id), least(score, 3.5::float8) from movie order by id"),
    Query(
        "select id, upper(name), length(name), name || '!', left(name, 2), reverse(name), replace(name, 'e', 'é') from movie order by id"
    ),
    Query("select id from movie where name like 'A%' or name ilike '%E%' order by id"),
    Query("select id from movie where name like '50!%%' escape '!' order by id"),
    Query(
        "select id from movie where name ~ '^[A-Z][a-z]+$' order by id",
        "select id from movie where regexp_matches(name, '^[A-Z][a-z]+$') order by id",
    ),
    # DuckDB's SIMILAR TO takes a regular expression, not SQL's.
    Query(
        "select id from movie where name similar to '(A|H)%' order by id",
        "select id from movie where name similar to '(A|H)(.|\\n)*' order by id",
    ),
    Query("select id, regexp_replace(name, '[aeiou]', '_', 'g') from movie order by id"),
    Query(
        "select id, date_trunc('week', movie.at), extract(year from movie.at), extract(dow from day), date_part('hour', movie.at) from movie order by id"
    ),
    Query("select id, movie.at + interval '1 day 02:03:00', day + interval '1 month', day + 7 from movie order by id"),
    Query("select id, movie.at - timestamptz '2024-01-01 00:00:00+00', day - date '2024-01-01' from movie order by id"),
    Query("select id, m.at at time zone 'America/New_York' from movie m order by id"),
    Query(
        "select id, votes::text, score::bigint, votes::float8, day::timestamp, m.at::date, '12.345'::numeric(6, 2) from movie m order by id"
    ),
    Query("select id, array[id, votes], (array[id, votes])[1], array_length(array[1, 2], 1) from movie order by id"),
    # DuckDB's ->> and -> on text that is JSON; a key with a dot or quote is the same to both.
    Query("select id, tags ->> 'kind', (tags ->> 'n')::int, tags -> 'list' from movie order by id"),
    Query("select id from movie where (tags -> 'deep' ->> 'k.e''y') = 'true' order by id"),
    Query("select tags ->> 'kind' as kind, count(*) from movie group by 1 order by 1 nulls last"),
    Query('select k.user as who, k."end" as "order", k."group" from keyword k where k."table" order by k.id'),
    Query("select id, uid from movie where uid > '80000000-0000-0000-0000-000000000000' order by id"),
    Query(
        "select id from movie where votes between symmetric 100 and 1 order by id",
        "select id from movie where votes between 1 and 100 order by id",
    ),
    Query("select id from movie where votes is distinct from 7 order by id"),
]
PARAMETERS = [
    Query("select id from movie where votes > $1 and name = $2 order by id", None, (2, "it's")),
    Query("select id from movie where votes > ? and name = ? order by id", None, (2, "é🙂")),
    Query("select id, $1 || name from movie where id < $2 order by id", None, ("a''b", 9)),
    Query("select id from movie where movie.at > ?::timestamptz order by id limit ?", None, ("2024-01-01 00:00:00+00", 5)),
    Query("select $1::bigint + $1::bigint as twice", None, (21,)),
]
ALL = [*JOINS, *WITHS, *WINDOWS, *SETS, *SUBQUERIES, *GROUPS, *ORDERS, *VALUES, *PARAMETERS]
