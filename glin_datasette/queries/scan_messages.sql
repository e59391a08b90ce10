-- title: Scan messages
-- description: What "Search messages" finds, newest first, by reading every message instead of the index: slow, and for a SQLite without FTS5.
-- param: q | Words, "phrases", prefix*, OR, -word.
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
select m.id as message_id, c.id as conversation_id, c.title, c.source, c.repo_root,
  m.role, m.kind, m.ts, glin_snippet(:q, m.content) as snippet, null as score
from messages as m
  cross join conversations as c on c.id = m.conversation_id
where (coalesce(:q, '') = '' or glin_contains(:q, m.content))
    -- filters
order by m.ts desc, m.id desc limit :size offset :skip
