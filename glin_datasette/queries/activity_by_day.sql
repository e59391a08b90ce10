-- title: Activity by day
-- description: Messages and conversations per day, newest first.
-- param: since | The first day: 2026-02-11, 2026-02, yesterday, 7d.
-- param: until | The last day, likewise.
-- param: size | How many days. | 366
with recursive
-- From the first moment of the first day to the first one behind the last.
span(first, behind) as (
  select
    iif(glin_blank(:since), '0', glin_since(date(glin_since(:since), 'localtime'))),
    iif(glin_blank(:until), '9999', glin_since(date(glin_until(:until), 'localtime', '+1 day')))
),
-- From day to day back in time, over those on which there was nothing.
days(day) as (
  select (
    select date(max(quarter), 'localtime') from activity
    where quarter >= span.first and quarter < span.behind
  ) from span
  union all
  select (
    select date(max(quarter), 'localtime') from activity
    where quarter >= span.first and quarter < glin_since(days.day)
  ) from days, span where days.day is not null
  limit :size
)
select days.day, sum(a.messages) as messages, count(distinct a.conversation_id) as conversations
from days cross join activity as a
  on a.quarter >= glin_since(days.day) and a.quarter < glin_since(date(days.day, '+1 day'))
group by days.day
order by days.day desc
