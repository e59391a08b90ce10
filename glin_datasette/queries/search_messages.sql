-- title: Search messages
-- description: The messages that hold what you type, best first or newest first. Without words: the newest that pass the filters.
-- param: q | Words, "phrases", prefix*, OR, -word. Filters have fields of their own.
-- param: sort | rank or newest. | rank
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
-- param: hits | How many it finds, if you know that; 0 counts those that hold the words. | 0
-- param: window | Only so many of the newest matches are ranked; 0 ranks all. | 10000
select c.title,
  -- Of the rows that are shown alone, so that no other message is read for one.
  glin_snippet(:q, m.content, (
    select snippet(messages_fts, 0, char(2), char(3), '…', 24)
    from messages_fts
    where messages_fts match coalesce(glin_match_one(:q), '""') and messages_fts.rowid = f.message_id
  )) as snippet, m.ts, m.role, m.kind, c.source, c.repo_root,
  c.id as conversation_id, f.message_id, f.score
from (
  select * from (
    with hits as materialized (
      select messages_fts.rowid as id
      from
        -- matches
      where lower(:sort) <> 'newest' and messages_fts match coalesce(glin_match(:q), '""')
        -- within
        -- unindexed
        -- filters
      order by messages_fts.rowid desc
      -- The rank of a word that is everywhere says little; ranking every match says it late.
      limit iif(:window < 1, -1, :window)
    )
    -- In one go: how rare a word is, which its rank depends on, is counted each time that the
    -- index is asked.
    select messages_fts.rowid as message_id, -bm25(messages_fts, 1.0, 0.3) as score
    from messages_fts
    where lower(:sort) <> 'newest' and messages_fts match coalesce(glin_match(:q), '""')
      and messages_fts.rowid between (select min(id) from hits) and (select max(id) from hits)
      and +messages_fts.rowid in (select id from hits)
    order by score desc, message_id limit :size offset :skip
  )
  union all
  select * from (
    with
    many as materialized (
      select iif(n > 2000, n, 0) as n
      from (
        select iif(:hits > 0, :hits, (
          select count(*) from messages_fts where messages_fts match coalesce(glin_match(:q), '""')
        )) as n
      )
      where lower(:sort) = 'newest' and glin_match(:q) is not null
    ),
    -- Ids follow time where they can. So these are mostly the newest,
    front as materialized (
      select messages_fts.rowid as id
      from
        -- matches
      where messages_fts match iif((select n from many), coalesce(glin_match(:q), '""'), '""')
        -- within
        -- unindexed
        -- filters
      order by messages_fts.rowid desc
      limit :size + :skip
    ),
    ends as materialized (
      select min(front.id) as id, min(coalesce(m.ts, '')) as ts, count(*) = :size + :skip as is_full
      from front cross join messages as m indexed by idx_messages_narrow on m.id = front.id
    ),
    -- and certainly, if no message that came in before them and passes the filters is newer.
    proven as materialized (
      select (select is_full from ends) and not exists (
        select 1
        from messages as late indexed by idx_messages_ts
          cross join messages as m indexed by idx_messages_narrow on m.id = late.id
        where late.ts >= (select ts from ends) and late.id < (select id from ends)
        -- filters
      ) as yes
    ),
    -- Else, where many are found, some of them are among the newest messages: so many of these
    -- are looked at as should hold what is asked for eight times.
    recent as materialized (
      select id, ts from messages indexed by idx_messages_ts
      -- None at all is a limit: a condition would be asked of each message.
      order by ts desc, id desc limit coalesce((
        select max(500, (:size + :skip) * 8 * (select max(id) from messages) / n)
        from many where n and not (select yes from proven)
      ), 0)
    ),
    near as materialized (
      select messages_fts.rowid as id, recent.ts
      from
        -- matches
        cross join recent on recent.id = messages_fts.rowid
      where messages_fts match iif(exists (select 1 from recent), coalesce(glin_match(:q), '""'), '""')
        and messages_fts.rowid between (select min(id) from recent) and (select max(id) from recent)
        -- within
        -- unindexed
        -- filters
    ),
    -- All of them, where there are few, or where nothing of the above was enough.
    every as (
      select m.id, m.ts
      from
        -- matches narrow
      -- As a condition of its own it would be asked of each match.
      where messages_fts match iif(
        lower(:sort) = 'newest' and not (select yes from proven)
          and (select count(*) from near) < :size + :skip,
        coalesce(glin_match(:q), '""'), '""')
        -- within
        -- unindexed
        -- filters
    )
    select id as message_id, null as score from (
      select m.id, m.ts
      from front cross join messages as m indexed by idx_messages_narrow on m.id = front.id
      where (select yes from proven)
      union all
      select id, ts from near where (select count(*) from near) >= :size + :skip
      union all
      select id, ts from every
    )
    order by ts desc, id desc limit :size offset :skip
  )
  union all
  select * from (
    select m.id as message_id, null as score
    from
      -- messages
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
