-- grain: one canary, in the order they were sent out. Read by: publish, status, and the stage canary.
select
    generation,
    champion,
    epoch_us(began_at) as began_at,
    settings,
    epoch_us(looked_at) as looked_at,
    look,
    verdict,
    reasons,
    epoch_us(ended_at) as ended_at
from canaries
where source = $source
order by generation
