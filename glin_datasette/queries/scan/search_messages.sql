select c.title, glin_snippet(:q, m.content, null) as snippet, m.ts, m.role, m.kind, c.source,
  c.repo_root, c.id as conversation_id, m.id as message_id, null as score
from messages as m
  cross join conversations as c on c.id = m.conversation_id
where glin_contains(:q, m.content)
    -- filters
order by m.ts desc, m.id desc limit :size offset :skip
