select count(*) as total
from messages as m
where glin_contains(:q, m.content)
    -- filters
