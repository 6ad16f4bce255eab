-- grain: one time that the ledger names a generation, at the cutoff of the turn that did. Read by: prune.
with
measured as (
    select champion as generation, cutoff, 'drift was measured against it' as why from drift_reports where source = $source
),

judged as (
    select unnest([challenger, champion]) as generation, cutoff, 'judged' as why from evaluations where source = $source
),

released as (
    select unnest([generation, previous]) as generation, cutoff, 'in a release' as why from releases where source = $source
),

canaried as (
    select
        unnest([generation, champion]) as generation,
        coalesce(ended_at, looked_at, began_at) as cutoff,
        'in a canary' as why
    from canaries
    where source = $source
),

remembered as (
    select m.generation, m.cutoff, 'its memory was refreshed' as why
    from memories as m
    join generations as g using (generation)
    where g.source = $source
),

made as (select generation, cutoff, 'made' as why from generations where source = $source)

select generation, epoch_us(max(cutoff)) as at, arg_max(why, cutoff) as why
from (
    from made
    union all by name from measured
    union all by name from judged
    union all by name from released
    union all by name from canaried
    union all by name from remembered
)
where generation is not null and cutoff is not null
group by generation
order by generation
