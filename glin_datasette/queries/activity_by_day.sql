-- title: Activity by day
-- description: Messages and conversations per day, newest first.
-- param: since | The first day: 2026-02-11, 2026-02, yesterday, 7d.
-- param: until | The last day, likewise.
-- param: size | How many days. | 366
select date(ts, 'localtime') as day, count(*) as messages,
  count(distinct conversation_id) as conversations
from messages
where ts is not null
  and (glin_blank(:since) or ts >= glin_since(:since))
  and (glin_blank(:until) or ts <= glin_until(:until))
group by day
order by day desc limit :size
