-- title: Activity by day
-- description: Messages and conversations per day (UTC), newest first.
-- param: since | The first day, or the beginning of a time: 2026-02.
-- param: until | The last day, likewise.
-- param: size | How many days. | 366
select substr(ts, 1, 10) as day, count(*) as messages,
  count(distinct conversation_id) as conversations
from messages
where ts is not null
  and (coalesce(:since, '') = '' or ts >= :since)
  and (coalesce(:until, '') = '' or ts <= :until || '~')
group by day
order by day desc limit :size
