-- title: Most discussed files
-- description: The files that the most messages are about.
-- param: repo | The repository's path, or the end of it; without one, all.
-- param: name | A part of the file's path.
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
with most as materialized (
  select path, repo_root, messages
  from files
  where (glin_blank(:name) or instr(lower(path), lower(trim(:name))))
    and (glin_blank(:repo) or repo_root = trim(:repo)
      or substr(replace(repo_root, '\', '/'), -length(trim(:repo)) - 1) = '/' || trim(:repo))
  order by messages desc, path, repo_root limit :size offset :skip
)
select most.path as file, nullif(most.repo_root, '') as repo_root, most.messages,
  count(distinct m.conversation_id) as conversations, min(m.ts) as oldest, max(m.ts) as newest
from most
  cross join message_refs as r on r.ref_type = 'file' and r.ref_value = most.path
  cross join messages as m indexed by idx_messages_narrow on m.id = r.message_id
  cross join conversations as c
    on c.id = m.conversation_id and coalesce(c.repo_root, '') = most.repo_root
group by most.path, most.repo_root
order by most.messages desc, most.path, most.repo_root
