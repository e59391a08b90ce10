-- title: Conversations by date
-- description: Conversations that were going on in a range of days. Without a range: all, newest first.
-- param: since | The first day: 2026-02-11, 2026-02, yesterday, 7d.
-- param: until | The last day, likewise.
-- param: size | How many. | 50
select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at
from conversations as c
where (glin_blank(:since) or c.ended_at >= glin_since(:since))
  and (glin_blank(:until) or c.started_at <= glin_until(:until))
order by c.started_at desc, c.id desc limit :size
