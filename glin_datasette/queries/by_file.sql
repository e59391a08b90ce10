-- title: Messages by file
-- description: The messages that touched a file, newest first. Without one: all that touched any.
-- param: file | Its path, a folder above it, or the end of its path.
-- param: size | How many. | 50
select r.ref_value as file, m.ts, c.id as conversation_id, c.title, c.repo_root, m.id as message_id,
  m.tool_name, m.kind, substr(m.content, 1, 240) as content
from message_refs as r
  join messages as m on m.id = r.message_id
  join conversations as c on c.id = m.conversation_id
where r.ref_type = 'file'
  and (glin_blank(:file)
    or r.ref_value = trim(:file)
    or substr(r.ref_value, 1, length(rtrim(trim(:file), '/')) + 1) = rtrim(trim(:file), '/') || '/'
    or substr(r.ref_value, -length(trim(:file)) - 1) = '/' || trim(:file))
order by m.ts desc, m.id desc limit :size
