-- title: Search messages
-- description: The messages that hold what you type, best first or newest first. Without words: the newest that pass the filters.
-- param: q | Words, "phrases", prefix*, OR, -word. Filters have fields of their own.
-- param: sort | rank or newest. | rank
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
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
      cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid
    where lower(:sort) <> 'newest' and messages_fts match coalesce(glin_match(:q), '""')
    -- The rank of a word that is everywhere says little; ranking every match says it late.
    and messages_fts.rowid >= iif(:window < 1, 0, coalesce((
      select messages_fts.rowid
      from messages_fts
        cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid
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
    select messages_fts.rowid as message_id, null as score,
      snippet(messages_fts, 0, char(2), char(3), '…', 24) as snippet
    from messages_fts
      cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid
    where lower(:sort) = 'newest' and messages_fts match coalesce(glin_match(:q), '""')
    -- unindexed
    -- filters
    order by m.ts desc, m.id desc limit :size offset :skip
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
