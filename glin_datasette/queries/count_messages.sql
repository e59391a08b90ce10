-- title: Count messages
-- description: How many messages a search finds, or how many pass the filters where there are no words.
-- param: q | Words, "phrases", prefix*, OR, -word.
-- param: most | Counts no further than this; 0 counts all. | 0
select sum(n) as total from (
  select count(*) as n from (
    select 1
    from
      -- matches
    where messages_fts match coalesce(glin_match(:q), '""')
      -- within
      -- unindexed
      -- filters
    limit iif(:most < 1, -1, :most)
  )
  union all
  select count(*) as n from (
    select 1
    from
      -- messages
    where glin_match(:q) is null
      -- unindexed
      -- filters
    limit iif(:most < 1, -1, :most)
  )
)
