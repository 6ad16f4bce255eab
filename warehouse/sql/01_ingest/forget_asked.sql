-- grain: user whom the decision log says to forget, with the latest instant of that.
select user_id, max(epoch_us(asked_at)) as "at" from forget_asked where source = $source group by user_id order by user_id
