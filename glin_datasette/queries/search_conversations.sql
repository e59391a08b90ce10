-- title: Search conversations
-- description: Conversations whose messages or title hold what you type, those with the most hits first.
-- param: q | Words, "phrases", prefix*, OR, -word.
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
-- param: window | Only so many of the newest hits are counted; 0 counts all. | 10000
with hits as materialized (
  select m.conversation_id, m.id
  from messages_fts
    cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid
  where messages_fts match coalesce(glin_match(:q), '""')
  order by messages_fts.rowid desc limit iif(:window < 1, -1, :window)
),
found as materialized (
  select conversation_id, count(*) as hits, max(id) as message_id
  from hits group by conversation_id
  union all
  select c.id, 0, null from conversations as c
  where not glin_blank(:q) and glin_contains(:q, c.title)
    and c.id not in (select conversation_id from hits)
  union all
  select * from (
    select id, 0, null from conversations where glin_blank(:q)
    order by ended_at desc, id desc limit :size + :skip
  )
)
select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at,
  found.hits, found.message_id as newest_hit
from found cross join conversations as c on c.id = found.conversation_id
order by found.hits desc, c.ended_at desc, c.id desc limit :size offset :skip
