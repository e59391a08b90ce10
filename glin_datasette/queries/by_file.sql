-- title: Messages by file
-- description: The messages that touched a file, newest first. Without one: all that touched any.
-- param: file | Its path, a folder above it, or the end of its path.
-- param: size | How many. | 50
with
-- What is said, as a path and as a folder: the bounds of what begins with it, and "/" and the
-- path for what ends with it, of which the name is behind its last slash.
said(blank, path, first, behind, ending) as materialized (
  select glin_blank(:file), trim(:file), rtrim(trim(:file), '/') || '/',
    rtrim(trim(:file), '/') || '0', '/' || trim(:file)
),
-- Each by an index of its own: nothing is searched through.
meant as not materialized (
  select r.ref_value, r.message_id
  from said cross join message_refs as r on r.ref_type = 'file' where said.blank
  union all
  select r.ref_value, r.message_id
  from said cross join message_refs as r on r.ref_type = 'file' and r.ref_value = said.path
  where not said.blank
  union all
  select r.ref_value, r.message_id
  from said cross join message_refs as r
    on r.ref_type = 'file' and r.ref_value >= said.first and r.ref_value < said.behind
  where not said.blank and r.ref_value <> said.path
  union all
  select r.ref_value, r.message_id
  from said cross join message_refs as r indexed by idx_message_refs_name
    on r.ref_type = 'file'
    and substr(r.ref_value, length(rtrim(r.ref_value, replace(r.ref_value, '/', ''))) + 1)
      = substr(said.path, length(rtrim(said.path, replace(said.path, '/', ''))) + 1)
  where not said.blank and substr(r.ref_value, -length(said.ending)) = said.ending
    and not (r.ref_value >= said.first and r.ref_value < said.behind)
),
-- Where very many are meant, some of them are among the newest messages.
near as materialized (
  select r.ref_value, m.id, m.ts
  from messages as m indexed by idx_messages_ts
    cross join message_refs as r on r.message_id = m.id and r.ref_type = 'file'
    cross join said
  where (select count(*) from (select 1 from meant limit 20000)) = 20000
    and m.ts >= coalesce((select ts from messages order by ts desc limit 1 offset 20000), '')
    and (said.blank or r.ref_value = said.path
      or (r.ref_value >= said.first and r.ref_value < said.behind)
      or substr(r.ref_value, -length(said.ending)) = said.ending)
  order by m.ts desc, m.id desc limit :size
),
picked as materialized (
  select ref_value, id, ts from near where (select count(*) from near) >= :size
  union all
  select * from (
    select meant.ref_value, m.id, m.ts
    from meant cross join messages as m indexed by idx_messages_narrow on m.id = meant.message_id
    where (select count(*) from near) < :size
    order by m.ts desc, m.id desc limit :size
  )
)
select picked.ref_value as file, m.ts, c.id as conversation_id, c.title, c.repo_root,
  m.id as message_id, m.tool_name, m.kind, substr(m.content, 1, 240) as content
from picked
  cross join messages as m on m.id = picked.id
  cross join conversations as c on c.id = m.conversation_id
order by picked.ts desc, picked.id desc, picked.ref_value
