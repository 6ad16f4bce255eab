-- grain: the latest release, or none: who is champion. Read by: turn.
select generation from releases where source = $source order by release desc limit 1
