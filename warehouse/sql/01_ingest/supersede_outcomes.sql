-- grain: outcome that one of `batch_outcomes` came before, by its instant: of two the first counts, whichever was read first.
delete from outcomes
where source = $source
    and exists (
        select 1
        from batch_outcomes as b
        where b.impression_id = outcomes.impression_id
            and b.kind = outcomes.kind
            and (
                make_timestamp(b.outcome_at) < outcomes.outcome_at
                or (make_timestamp(b.outcome_at) = outcomes.outcome_at and b.reward < outcomes.reward)
            )
    )
