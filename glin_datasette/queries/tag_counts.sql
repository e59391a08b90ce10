-- title: Tags
-- description: Every tag, with the conversations that have it and the messages that have it themselves.
select t.name as tag,
  (select count(*) from conversation_tags as ct where ct.tag_id = t.id) as conversations,
  (select count(*) from message_tags as mt where mt.tag_id = t.id) as messages
from tags as t
order by conversations + messages desc, t.name
