-- title: Recent conversations
-- description: What was worked on last, with the number of messages.
-- param: subagents | no leaves out what they did. | yes
-- param: size | How many. | 50
-- param: skip | How many to pass over. | 0
select c.id as conversation_id, c.title, c.source, c.repo_root, c.git_branch, c.model,
  c.started_at, c.ended_at,
  coalesce((select sum(a.messages) from activity as a where a.conversation_id = c.id), 0) as messages
from conversations as c
where lower(:subagents) <> 'no' or c.relation is not 'subagent'
order by c.ended_at desc, c.id desc limit :size offset :skip
