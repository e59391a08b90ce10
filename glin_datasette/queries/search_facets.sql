-- title: Facets of a search
-- description: How many of the messages that a search finds have which tag, source, repository, role, kind and model, and were written on which day. The facets "conversation" and "message" count all of them.
-- param: q | Words, "phrases", prefix*, OR, -word. Filters have fields of their own.
-- param: window | Only so many of the newest are counted; 0 counts all. | 10000
with hits as materialized (
  select * from (
    select m.id, m.conversation_id, m.ts
    from
      -- matches narrow
    where messages_fts match coalesce(glin_match(:q), '""')
      -- within
      -- unindexed
      -- filters
    order by messages_fts.rowid desc
    limit iif(:window < 1, -1, :window)
  )
  union all
  select * from (
    select m.id, m.conversation_id, m.ts
    from
      -- messages
    where glin_match(:q) is null
      -- unindexed
      -- filters
    order by m.ts desc, m.id desc limit iif(:window < 1, -1, :window)
  )
),
-- A conversation may hold thousands of the hits: what it says of them is counted once.
per as materialized (
  select conversation_id, count(*) as n from hits group by conversation_id
),
shapes as materialized (
  select m.role, m.kind, m.model, count(*) as n
  from hits cross join messages as m on m.id = hits.id
  group by m.role, m.kind, m.model
),
tagged as (
  select ct.tag_id, per.n
  from per cross join conversation_tags as ct on ct.conversation_id = per.conversation_id
  union all
  select mt.tag_id, 1
  from hits cross join message_tags as mt on mt.message_id = hits.id
  where not exists (
    select 1 from conversation_tags as ct
    where ct.conversation_id = hits.conversation_id and ct.tag_id = mt.tag_id
  )
)
select 'message' as facet, null as value, sum(n) as messages from per having sum(n)
union all
select 'conversation', null, count(*) from per having count(*)
union all
select * from (
  select 'tag', t.name, sum(tagged.n) as n
  from tagged join tags as t on t.id = tagged.tag_id group by t.id order by n desc, t.name
)
union all
select * from (
  select 'source', c.source, sum(per.n) as n
  from per cross join conversations as c on c.id = per.conversation_id
  group by c.source order by n desc, c.source
)
union all
select * from (
  select 'repo', c.repo_root, sum(per.n) as n
  from per cross join conversations as c on c.id = per.conversation_id
  -- A condition on c itself would make SQLite read the whole table for a Bloom filter.
  group by c.repo_root having count(c.repo_root) order by n desc, c.repo_root
)
union all
select * from (select 'role', role, sum(n) as n from shapes group by role order by n desc, role)
union all
select * from (select 'kind', kind, sum(n) as n from shapes group by kind order by n desc, kind)
union all
select * from (
  select 'model', model, sum(n) as n from shapes
  where model is not null group by model order by n desc, model
)
union all
select * from (
  select 'day', date(ts, 'localtime') as day, count(*) as n
  from hits where day is not null group by day order by day desc
)
