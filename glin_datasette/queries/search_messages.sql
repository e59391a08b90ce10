-- title: Search messages
-- description: The messages that hold what you type, best first or newest first. Without words: the newest that pass the filters.
-- param: q | Words, "phrases", prefix*, OR, -word. Filters have fields of their own.
-- param: sort | rank or newest. | rank
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
-- param: hits | How many it finds, if you know that; 0 counts those that hold the words. | 0
-- param: window | Only so many of the newest matches are ranked; 0 ranks all. | 20000
select c.title,
  -- What was found in the parts of words is not marked in the text yet.
  iif(instr(f.snippet, char(2)), f.snippet, glin_snippet(:q, m.content)) as snippet, m.ts, m.role, m.kind, c.source, c.repo_root,
  c.id as conversation_id, f.message_id, f.score
from (
  -- The cross joins force this order, so that only the rows that are kept get a snippet.
  select * from (
    select messages_fts.rowid as message_id, -bm25(messages_fts, 1.0, 0.3) as score,
      snippet(messages_fts, 0, char(2), char(3), '…', 24) as snippet
    from messages_fts
    -- narrow
    where lower(:sort) <> 'newest' and messages_fts match coalesce(glin_match(:q), '""')
    -- The rank of a word that is everywhere says little; ranking every match says it late.
    and messages_fts.rowid >= iif(:window < 1, 0, coalesce((
      select messages_fts.rowid
      from messages_fts
      -- narrow
      where messages_fts match coalesce(glin_match(:q), '""')
    -- unindexed
    -- filters
      order by messages_fts.rowid desc limit 1 offset :window - 1), 0))
    -- unindexed
    -- filters
    order by score desc limit :size offset :skip
  )
  union all
  select * from (
    select picked.id as message_id, null as score,
      snippet(messages_fts, 0, char(2), char(3), '…', 24) as snippet
    from (
      with
      -- Where many are found, some of them are among the newest messages: so many of these
      -- are looked at as should hold what is asked for eight times.
      recent as materialized (
        select id, ts from messages indexed by idx_messages_ts
        where lower(:sort) = 'newest' and glin_match(:q) is not null
        order by ts desc, id desc limit (
          select iif(n <= 5000, 0, max(500, (:size + :skip) * 8 * (select max(id) from messages) / n))
          from (
            select iif(:hits > 0, :hits, (
              select count(*) from messages_fts where messages_fts match coalesce(glin_match(:q), '""')
            )) as n
          )
        )
      ),
      near as materialized (
        select messages_fts.rowid as id, recent.ts
        from messages_fts
          cross join recent on recent.id = messages_fts.rowid
        -- narrow
        where messages_fts match coalesce(glin_match(:q), '""')
          and messages_fts.rowid between (select min(id) from recent) and (select max(id) from recent)
    -- unindexed
    -- filters
      )
      select id from (
        select id, ts from near where (select count(*) from near) >= :size + :skip
        union all
        select m.id, m.ts
        from messages_fts
          cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid
        -- As a condition of its own it would be asked of each match.
        where lower(:sort) = 'newest' and messages_fts match iif(
          (select count(*) from near) < :size + :skip, coalesce(glin_match(:q), '""'), '""')
    -- unindexed
    -- filters
      )
      order by ts desc, id desc limit :size offset :skip
    ) as picked
      cross join messages_fts on messages_fts.rowid = picked.id
    where messages_fts match coalesce(glin_match(:q), '""')
  )
  union all
  select * from (
    select m.id as message_id, null as score, glin_snippet(:q, m.content) as snippet
    from messages as m
    where glin_match(:q) is null
    -- unindexed
    -- filters
    order by m.ts desc, m.id desc limit :size offset :skip
  )
) as f
  cross join messages as m on m.id = f.message_id
  cross join conversations as c on c.id = m.conversation_id
-- Equal ranks stay in the order of the inner query, so that pages hold every hit once.
order by f.score desc, iif(f.score is null, m.ts, null) desc, iif(f.score is null, -m.id, m.id)
