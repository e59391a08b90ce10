-- title: Messages by commit
-- description: The messages that made or mention a commit, in order of time. Without one: all that mention any, newest first.
-- param: commit | The hash, or the first 4 or more digits of it.
-- param: size | How many. | 50
with picked as materialized (
  -- Of what is not shown no text is read.
  select r.ref_value, m.id, m.ts
  from message_refs as r
    cross join messages as m indexed by idx_messages_narrow on m.id = r.message_id
  where r.ref_type = 'commit'
    and r.ref_value >= substr(lower(trim(:commit)), 1, 7)
    and r.ref_value < substr(lower(trim(:commit)), 1, 7) || 'g'
    and (substr(r.ref_value, 1, length(trim(:commit))) = lower(trim(:commit))
      or substr(lower(trim(:commit)), 1, length(r.ref_value)) = r.ref_value)
  order by iif(glin_blank(:commit), null, m.ts), m.ts desc, m.id
  limit :size
)
select picked.ref_value as "commit", m.ts, c.id as conversation_id, c.title, c.repo_root,
  m.id as message_id, m.role, m.kind, substr(m.content, 1, 240) as content
from picked
  cross join messages as m on m.id = picked.id
  cross join conversations as c on c.id = m.conversation_id
order by iif(glin_blank(:commit), null, m.ts), m.ts desc, m.id
