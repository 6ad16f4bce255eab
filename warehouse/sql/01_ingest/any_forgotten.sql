-- grain: one row: whether a user of the source was forgotten.
select exists (select 1 from forgotten where source = $source) as any_forgotten
