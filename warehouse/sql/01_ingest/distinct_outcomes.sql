-- grain: outcome that was received; the first of a kind stands, repeats change nothing.
create or replace temp view batch_outcomes as
select *
from received_outcomes
qualify row_number() over (partition by impression_id, kind order by outcome_at, reward) = 1
