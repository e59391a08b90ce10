select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at,
  coalesce(found.hits, 0) as hits, found.message_id as newest_hit
from conversations as c
  left join (
    select m.conversation_id, count(*) as hits, max(m.id) as message_id
    from messages as m
    where not glin_blank(:q) and glin_contains(:q, m.content)
    group by m.conversation_id
  ) as found on found.conversation_id = c.id
where glin_blank(:q) or found.hits or glin_contains(:q, c.title)
order by found.hits desc, c.ended_at desc, c.id desc limit :size offset :skip
