-- grain: forgotten user, since an instant. Read by: update and memory, which drop them.
select user_key, epoch_us(forgotten_at) as at
from forgotten
where source = $source and epoch_us(forgotten_at) >= $since
order by user_key
