-- title: Conversations by tag
-- description: Conversations that have a tag, or that hold messages that have it. Without one: all that have any.
-- param: tag | The tag, without regard to case.
-- param: size | How many. | 50
select c.id as conversation_id, c.title, c.source, c.repo_root, c.started_at, c.ended_at,
  group_concat(distinct t.name) as tags
from (
  select conversation_id, tag_id from conversation_tags
  union
  select m.conversation_id, mt.tag_id
  from message_tags as mt join messages as m on m.id = mt.message_id
) as tagged
  join tags as t on t.id = tagged.tag_id
  join conversations as c on c.id = tagged.conversation_id
where glin_blank(:tag) or t.name = trim(:tag) collate nocase
group by c.id
order by c.ended_at desc, c.id desc limit :size
