-- grain: one finished turn with what its stages found, in order. Read by: the report site.
select
    epoch_us(w.start) as start,
    epoch_us(w.cutoff) as cutoff,
    w.turn,
    v.report as validation,
    d.champion as drift_champion,
    d.reasons as drift_reasons,
    d.report as drift,
    e.challenger,
    e.report as evaluation
from windows as w
left join validations as v on v.source = w.source and v.cutoff = w.cutoff
left join drift_reports as d on d.source = w.source and d.cutoff = w.cutoff
left join evaluations as e on e.source = w.source and e.cutoff = w.cutoff
where w.source = $source and w.finished
order by w.cutoff
