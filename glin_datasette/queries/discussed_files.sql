-- title: Most discussed files
-- description: The files that the most messages are about.
-- param: repo | The repository's path, or the end of it; without one, all.
-- param: name | A part of the file's path.
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
select r.ref_value as file, c.repo_root, count(*) as messages,
  count(distinct m.conversation_id) as conversations, min(m.ts) as oldest, max(m.ts) as newest
from message_refs as r
  cross join messages as m indexed by idx_messages_narrow on m.id = r.message_id
  cross join conversations as c on c.id = m.conversation_id
where r.ref_type = 'file'
  and (glin_blank(:name) or instr(lower(r.ref_value), lower(trim(:name))))
  and (glin_blank(:repo) or c.repo_root = trim(:repo)
    or substr(replace(c.repo_root, '\', '/'), -length(trim(:repo)) - 1) = '/' || trim(:repo))
group by r.ref_value, c.repo_root
order by messages desc, newest desc, file limit :size offset :skip
