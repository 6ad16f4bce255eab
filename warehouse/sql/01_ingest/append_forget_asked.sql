-- grain: user of `batch_forgotten` (registered: user_id, at) whom the decision log says to forget.
insert into forget_asked by name
select $source as source, user_id, make_timestamp("at") as asked_at from batch_forgotten
