-- grain: one row: how many candidates there are. Read by: facts, which draws more where too few had matured.
select count(*) as candidates from replay_candidates
