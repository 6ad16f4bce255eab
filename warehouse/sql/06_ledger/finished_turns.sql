-- grain: one finished turn, in order. Read by: replay's report, status.
select epoch_us(cutoff) as cutoff, turn from windows where source = $source and finished order by cutoff
