-- title: Conversations by tag
-- description: Conversations that have a tag, or that hold messages that have it. Without one: all that have any.
-- param: tag | The tag, without regard to case.
-- param: size | How many. | 50
with tagged as materialized (
  select ct.conversation_id, ct.tag_id
  from tags as t cross join conversation_tags as ct on ct.tag_id = t.id
  where glin_blank(:tag) or t.name = trim(:tag) collate nocase
  union
  select m.conversation_id, mt.tag_id
  from tags as t
    cross join message_tags as mt on mt.tag_id = t.id
    cross join messages as m indexed by idx_messages_narrow on m.id = mt.message_id
  where glin_blank(:tag) or t.name = trim(:tag) collate nocase
),
newest as materialized (
  select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at
  from conversations as c
  -- From the newest on until there are enough.
  where +c.id in (select conversation_id from tagged)
  order by c.ended_at desc, c.id desc limit :size
)
select newest.*, group_concat(t.name) as tags
from newest
  cross join tagged on tagged.conversation_id = newest.conversation_id
  cross join tags as t on t.id = tagged.tag_id
group by newest.conversation_id
order by newest.ended_at desc, newest.conversation_id desc
