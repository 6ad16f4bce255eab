-- grain: outcome that one of `batch_outcomes` came before, by its instant: of two the first counts, whichever was read first.
-- It stays where it is, so that what a turn has learned is not new to the next one.
update outcomes
set reward = b.reward, grade = b.grade, outcome_at = make_timestamp(b.outcome_at)
from batch_outcomes as b
where outcomes.source = $source
    and b.impression_id = outcomes.impression_id
    and b.kind = outcomes.kind
    and (
        make_timestamp(b.outcome_at) < outcomes.outcome_at
        or (make_timestamp(b.outcome_at) = outcomes.outcome_at and b.reward < outcomes.reward)
    )
