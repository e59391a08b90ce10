-- title: Tokens by model and month
-- description: Tokens that went in, came from a cache and came out, newest month first.
-- param: model | The model; without one, all.
select nullif(month, '') as month, model, sum(messages) as messages,
  sum(token_in) as token_in, sum(token_cached) as token_cached, sum(token_out) as token_out
from usage
where model <> '' and (glin_blank(:model) or model = trim(:model))
group by usage.month, model
order by usage.month desc, token_out desc
