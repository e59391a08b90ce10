-- title: Tokens by model and month
-- description: Tokens that went in, came from a cache and came out, newest month first.
-- param: model | The model; without one, all.
select substr(ts, 1, 7) as month, model, count(*) as messages,
  sum(token_in) as token_in, sum(token_cached) as token_cached, sum(token_out) as token_out
from messages
where model is not null and (glin_blank(:model) or model = trim(:model))
group by month, model
order by month desc, token_out desc
