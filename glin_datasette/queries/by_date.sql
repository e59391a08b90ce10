-- title: Conversations by date
-- description: Conversations that were going on in a range of days (UTC). Without a range: all, newest first.
-- param: since | The first day, or the beginning of a time: 2026-02.
-- param: until | The last day, likewise.
-- param: size | How many. | 50
select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at
from conversations as c
where (coalesce(:since, '') = '' or c.ended_at >= :since)
  and (coalesce(:until, '') = '' or c.started_at <= :until || '~')
order by c.started_at desc, c.id desc limit :size
