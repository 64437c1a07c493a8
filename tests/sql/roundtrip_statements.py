# ruff: noqa: E501, RUF001  # a statement stays on its line, and some are odd on purpose
"""Whole statements that must mean the same as written and as regenerated; separated by empty lines, rows compared in their order."""

STATEMENTS = """
select id, name from movie order by id

SELECT ALL id FROM movie ORDER BY id

select distinct votes from movie order by votes

select distinct on (seen) seen, id from movie order by seen, votes nulls last, id

select distinct on (seen, votes > 2) id, seen from movie order by seen desc, votes > 2 nulls first, id

select id from movie order by score desc nulls last, id limit 7 offset 3

select id from movie order by score asc nulls first, id offset 3 rows fetch next 7 rows only

select id from movie order by id fetch first row only

select votes from movie where votes is not null order by votes fetch first 5 rows with ties

select id from movie order by id limit all offset 390

select id from movie order by id limit (select count(*) from place) offset 1 + 1

select id from movie order by id limit null

select id, votes from movie order by 2, 1

select id, votes as v from movie order by v desc, id

select id, -votes as v from movie order by - votes, id

select name from movie group by name order by count(*), name

select count(*), count(name), count(distinct name), count(all name) from movie

select sum(votes), avg(votes), min(name), max(at), sum(score), avg(score), min(day), max(day) from movie

select sum(votes) / 2, avg(votes)::numeric(20, 3), sum(votes)::float8 / count(*) from movie

select sum(distinct votes), avg(distinct score), string_agg(distinct name, ',' order by name), array_agg(distinct votes order by votes) from movie

select string_agg(name, ', ' order by id desc) filter (where seen), count(*) filter (where not seen) from movie where id < 50

select string_agg(name, '' order by name collate "C", id) from movie

select array_agg(id order by score desc nulls last, id), (array_agg(id order by id))[2:3] from movie where id < 20

select bool_and(seen), bool_or(seen), every(seen), bit_and(votes), bit_or(votes), bit_xor(votes) from movie where votes >= 0

select stddev(votes), stddev_pop(votes), stddev_samp(votes), variance(votes), var_pop(votes), var_samp(votes) from movie where votes < 1000

select corr(score, id)::numeric(20, 6), covar_pop(score, id)::numeric(20, 6), covar_samp(score, id)::numeric(20, 6), regr_slope(score, id)::numeric(20, 6), regr_intercept(score, id)::numeric(20, 6), regr_r2(score, id)::numeric(20, 6) from movie

select regr_count(score, id)::numeric(20, 6), regr_avgx(score, id)::numeric(20, 6), regr_avgy(score, id)::numeric(20, 6), regr_sxx(score, id)::numeric(20, 6), regr_sxy(score, id)::numeric(20, 6), regr_syy(score, id)::numeric(20, 6) from movie

select percentile_cont(0.5) within group (order by score), percentile_disc(0.25) within group (order by votes desc), mode() within group (order by name) from movie

select percentile_cont(array[0.25, 0.5, 0.75]) within group (order by score) from movie

select any_value(votes) from movie where votes = 7

select seen, json_agg(id order by id), jsonb_agg(name order by id), json_object_agg(id, name order by id), jsonb_object_agg(id, votes) from movie where id < 9 group by seen order by seen

select votes % 2 as odd, count(*) from movie group by votes % 2 order by 1

select date_trunc('month', at) as month, count(*), sum(votes) from movie group by 1 order by 1

select date_trunc('month', at) as month, count(*) from movie group by date_trunc('month', at) having count(*) > 20 order by month

select seen, votes, count(*), grouping(seen, votes) from movie group by grouping sets ((seen, votes), (seen), ()) order by seen, votes, 4

select seen, votes, count(*) from movie group by rollup (seen, votes) order by 1, 2, 3

select seen, votes, count(*), grouping(votes) from movie group by cube (seen, votes) order by 1, 2, 3, 4

select seen, place_id, votes, count(*) from movie where id < 60 group by seen, rollup (place_id, votes) order by 1, 2, 3, 4

select seen, place_id, count(*) from movie group by grouping sets (rollup (seen), (place_id)), () order by 1, 2, 3

select count(*) from movie having count(*) > 5

select 1 from movie having true

select m.id, p.name from movie m join place p on p.id = m.place_id order by m.id

select m.id, p.name from movie as m inner join place as p on p.id = m.place_id and p.area > 5 order by 1

select m.id, p.name from movie m left join place p on p.id = m.place_id order by 1

select m.id, p.name from movie m left outer join place p on p.id = m.place_id where p.id is null order by 1

select m.id, p.id, p.name from movie m right join place p on p.id = m.place_id and m.id < 20 order by 2, 1

select m.id as movie, p.id as place from movie m full join place p on p.id = m.place_id and m.id < 20 order by 1, 2

select a.id, b.id from place a cross join place b order by a.id, b.id

select a.id, b.id as other from place a, place b where a.parent = b.id order by a.id

select movie.id, place.name, movie.name from movie, place where movie.place_id = place.id and movie.id < 10 order by movie.id;

select place_id, count(*) from movie join reading using (place_id) group by place_id order by place_id

select id, place_id, movie.name from movie join reading using (id, place_id) order by id

select * from place natural join (select id, area as size from place) as other order by id

select a.id, b.id, c.id from (place a join place b on a.parent = b.id) left join place c on c.id = b.parent order by 1, 2, 3

select a.id, b.id, c.id from place a left join (place b join place c on c.id = b.parent) on a.parent = b.id order by 1, 2, 3

select p.id, r.value from place p cross join lateral (select value from reading r where r.place_id = p.id order by value desc nulls last, r.id limit 2) r order by 1, 2

select p.id, r.n from place p left join lateral (select count(*) as n from reading where place_id = p.id and value > 90) as r on true order by 1

select p.id, x.a, x.b from place p, lateral (values (p.id, p.id * 2), (p.id + 1, 0)) as x (a, b) order by 1, 2

select m.id, k.key, k.value from movie m, jsonb_each(m.tags) as k where m.id < 5 order by 1, 2

select m.id, k.* from movie m cross join lateral jsonb_each_text(m.tags) k (name, body) where m.id < 5 order by 1, 2

select m.id, e, ordinality from movie m, jsonb_array_elements(m.tags -> 'list') with ordinality as t (e, ordinality) where m.id < 9 order by 1, 3

select m.id, t.n from movie m, unnest(array[m.id, m.votes]) with ordinality as t (v, n) where m.id < 5 order by 1, 2

select * from unnest(array[1, 2], array['a', 'b', 'c']) as t (n, s)

select unnest(array[3, 1, 2]) as n order by n

select id, jsonb_object_keys(tags) as k from movie where id < 3 order by 1, 2

select x.* from (values (1, 'a'), (2, null), (3, 'c')) as x (n, s) order by n desc

select column1 + 1 as c from (values (1), (2)) as v order by 1

select * from (select 1 as a union select 2 union all select 2) as u order by a

with m as (select id, votes from movie where votes > 5) select count(*), sum(votes) from m

with a as (select id from movie), b as (select id from a where id < 5) select b.id, a.id from a join b on a.id = b.id + 1 order by 1

with movie as (select * from movie where id < 3) select count(*) from movie

with movie as (select 1 as id) select * from movie

with movie as materialized (select id from movie where id < 10), x as not materialized (select * from movie) select * from x order by id

with x (a, b) as (select id, name from place) select b, a from x order by a

with x as (with movie as (select 5 as id) select id from movie) select (select count(*) from movie), x.id from x

select (with q as (select max(votes) as top from movie) select top from q), count(*) from movie

select * from (with q as (select id from place) select id from q where id < 3) as s order by id

with recursive t (n) as (values (1) union all select n + 1 from t where n < 10) select sum(n), count(*) from t

with recursive up as (select id, parent, 0 as depth from place where id = 11 union all select p.id, p.parent, up.depth + 1 from place p join up on p.id = up.parent) select * from up order by depth

with recursive tree as (select id, name::text as path from place where parent is null union all select p.id, tree.path || '/' || p.name from place p join tree on p.parent = tree.id) select * from tree order by path collate "C", id

with recursive t as (select 1 as n union select (n * 2) % 7 from t) select n from t order by n

select id from movie where id < 5 union select id from place where id < 8 order by id

select id from movie where id < 5 union all select id from place where id < 8 order by id

select votes from movie intersect select id from place order by 1

select votes from movie intersect all select place_id from reading order by 1

select place_id from reading except select id from place where id > 5 order by 1

select place_id from reading except all select place_id from movie order by 1

(select id from movie order by id limit 2) union all (select id from place order by id desc limit 2) order by 1

select 1 as a union select 2 intersect select 2 order by a

(select 1 as a union select 2) intersect select 2

select 1 as a except select 2 except select 1

select 1 as a except (select 2 except select 1) union all select 1

select 1 as a, 'x' as b union all select null, 'y' order by 1 nulls first

select id from (select id from place union all select id from movie where id < 3) u group by id having count(*) > 1 order by id

select id, row_number() over (order by score desc nulls last, id), rank() over (order by votes), dense_rank() over (order by votes), percent_rank() over (order by votes), cume_dist() over (order by votes), ntile(4) over (order by id) from movie order by id

select id, lag(id) over w, lag(id, 2, -1) over w, lead(name) over w, first_value(id) over w, last_value(id) over w, nth_value(id, 2) over w from movie window w as (partition by seen order by id) order by id

select id, sum(votes) over (order by id rows between 2 preceding and current row) from movie order by id

select id, sum(votes) over (order by id rows between unbounded preceding and 1 following exclude current row) from movie order by id

select id, count(*) over (order by votes range between 1 preceding and 1 following exclude ties) from movie order by id

select id, count(*) over (order by votes groups between 1 preceding and current row exclude group) from movie order by id

select id, count(*) over (order by votes range between current row and unbounded following exclude no others) from movie order by id

select id, sum(score) over (partition by seen order by at range between interval '1 day' preceding and interval '12 hours' following) from movie where at is not null order by id

select id, sum(votes) over w1, avg(score) over (w1 order by id) from movie window w1 as (partition by place_id), w2 as (w1 order by name) order by id

select id, sum(votes) over (partition by seen order by id rows 3 preceding), max(score) filter (where seen) over (partition by place_id) from movie order by id

select seen, sum(votes), sum(sum(votes)) over (order by seen), rank() over (order by count(*) desc) from movie group by seen order by seen

select string_agg(name, ',') over (order by id rows between 1 preceding and 1 following) from movie where id < 9 order by id

select id from movie where (seen, votes) in (select seen, max(votes) from movie group by seen) order by id

select id from movie m where votes > (select avg(votes) from movie where seen = m.seen) order by id

select id from movie m where exists (select from reading r where r.movie_id = m.id and r.value > 90) order by id

select id from movie where id not in (select movie_id from reading where movie_id is not null) and id < 50 order by id

select id from movie where votes >= all (select votes from movie where votes is not null) order by id

select id from movie where votes = any (select id from place) order by id

select (select name from place where id = m.place_id) as place, (select count(*) from reading where movie_id = m.id) as n from movie m where m.id < 20 order by m.id

select array(select r.id from reading r where r.movie_id = m.id order by 1) as ids from movie m where id < 9 order by id

select exists (select 1 from movie where id = -1), not exists (select * from movie)

select m.* from movie m where id = 3

select m.id, p.* from movie m join place p on p.id = m.place_id where m.id < 5 order by 1

select *, id + 1 as next from place order by id

select p.*, p.name as again from place p order by p.id

select * from place p (key, title) order by key

select t.a from (select id as a, name from place) as t order by 1

select t.key from (select id, name from place) as t (key, title) order by 1

select k.user, k."end", k."group", k."table", k.date, k.timestamp from keyword k order by k.id

select "user", "end" as "order", "group" as "select", "table" as "from" from keyword order by id

select k.user "User Name", k."end" as "it's", k."group" as "a""b", k.date as date from keyword as k order by k.id

select id as "é🙂", id as " ", id as "A", id as a from place order by id

select id as end, id as user, id as from, id as where from place order by id limit 1

select id value, id type, id text, id date, id key, id mode, id "order" from place order by id limit 1

select id as group, count(*) as count, sum(id) as sum from place group by id order by id limit 3

select "group".id from place as "group" order by 1

select "select"."id" as "where" from place "select" where "select"."id" > 3 order by "select"."id"

select date, timestamp from keyword where date > date '2024-02-05' and timestamp < timestamp '2024-01-01' order by date

select extract(day from date) as day, date + 1 as tomorrow, timestamp::date from keyword order by id

select max(date), min(timestamp), count("table") from keyword

select Id, NAME, "name" from PLACE where Name is not null order by ID

select place.id from place where place.id in (select place.id from place where place.area > 20) order by 1

select/**/id/* x */from/* from y */place-- a line
order by/**/id -- limit 1

select id -- 'not a text
from place /* " */ where name = '--' or name = '/*' or id = 1 order by id

select id from place where name = 'it''s' or name = $$root$$ or name = $q$O’Hare$q$ order by id

select 'a'
  'b' as ab, 'it''s' || '''' as quotes, '\\' as backslash, '"' as double

select 1 as "?column?", 2, 3 as "?", '?' as mark, $$?$$ as dollars

select count(*) from place where '?' <> 'a' and name not like '?%'

select 1, 'a', null, true, now() is null, -1, 1.5

select 1 + 1, upper('a'), coalesce(null, 1), case when true then 1 end, cast('1' as int), '1'::numeric, interval '1 day', array[1], (select 1), exists (select 1)

select count(*), sum(id), min(id), round(avg(id), 2), 'x'::text, date '2024-01-01', current_date is null, extract(year from date '2024-01-01') from place

select id::text, id::float8, name::varchar(2), (id)::int, -id::int, opened::timestamp from place order by place.id

select greatest(1, 2), least(1, 2), nullif(1, 2), concat('a', 'b'), substring('abc' from 2), position('b' in 'abc'), trim(' a '), overlay('abc' placing 'x' from 2) from place where id = 1

select id from place where (id > 3 and not (id > 5 or id = 4)) or id = 0 order by id

select id from movie where not seen and votes > 2 or score is null and not votes = 7 order by id

select id from movie where seen = (votes > 2) order by id

select id from movie where seen = (votes not in (1, 2)) and score not between 1 and 2 is true order by id

select id from movie where seen and case when votes > 2 then score > 1 else score < 5 end order by id

select id, case when votes in (1, 2) then 'few' when votes between 3 and 100 then 'some' else coalesce(name, 'none') end from movie order by id

select id from place where area between 1 and 20 and name between 'a' and 'r' order by name collate "C", id

select distinct seen, votes is null from movie order by 1, 2

select count(*) from (select distinct place_id, seen from movie) as d

select place_id, max(value) - min(value) as spread from reading group by place_id having max(value) - min(value) > 190 order by spread desc, place_id

select date_trunc('week', at) as week, label, avg(value), count(*) from reading group by week, label order by week, label nulls first

select date_bin('6 hours', at, timestamptz '2023-01-01') as bin, count(*) from reading group by bin order by bin limit 5

select at at time zone 'Europe/Oslo' as local, (at at time zone 'Europe/Oslo')::date as day from reading order by id limit 5

select id, at - lag(at) over (order by at, id) as gap from reading order by at, id limit 9

select r.id, m.name, r.place_id, p.name from movie m join (reading r join (select id as place_id, name from place) p using (place_id)) on m.id = r.movie_id order by r.id

select coalesce(m.name, p.name, 'nothing') as name, count(*) from movie m full join place p on m.name = p.name group by 1 order by 1

select sum(value) filter (where label = 'low'), sum(case when label = 'high' then value end), avg(value) filter (where label is null) from reading

select id, (tags ->> 'n')::int as n from movie where tags @> '{"kind": "a"}' and tags ? 'n' order by n desc, id limit 9

select tags ->> 'kind' as kind, count(*) from movie group by tags ->> 'kind' order by 1

select tags -> 'kind' as kind, count(*) from movie group by 1 order by 1

select id from movie where tags -> 'list' @> '[2]' and not tags @> '{"n": 3}' order by id

select null as nothing, null::int as n, null::text as t

select row_to_json(p) from place p order by p.id limit 3

select to_jsonb(p) - 'area' from place p order by p.id limit 3

select count(p) from place p where p is not null

select p.id from place p order by p limit 3
"""
ALL = [statement.strip("\n") for statement in STATEMENTS.strip("\n").split("\n\n")]
