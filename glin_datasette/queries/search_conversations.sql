-- title: Search conversations
-- description: Conversations whose messages or title hold what you type, those with the most hits first.
-- param: q | Words, "phrases", prefix*, OR, -word.
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at,
  coalesce(found.hits, 0) as hits, found.message_id as newest_hit
from conversations as c
  left join (
    select m.conversation_id, count(*) as hits, max(m.id) as message_id
    from messages_fts
      cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid
    where messages_fts match coalesce(glin_match(:q), '""')
    group by m.conversation_id
  ) as found on found.conversation_id = c.id
where glin_blank(:q) or found.hits or glin_contains(:q, c.title)
order by found.hits desc, c.ended_at desc, c.id desc limit :size offset :skip
