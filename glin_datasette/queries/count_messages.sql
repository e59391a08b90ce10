-- title: Count messages
-- description: How many messages a search finds, or how many pass the filters where there are no words.
-- param: q | Words, "phrases", prefix*, OR, -word.
select sum(n) as total from (
  select count(*) as n
  from messages_fts
    -- narrow
  where messages_fts match coalesce(glin_match(:q), '""')
    -- unindexed
    -- filters
  union all
  select count(*) as n
  from messages as m
  where glin_match(:q) is null
    -- unindexed
    -- filters
)
