-- grain: Delta table; how far it was followed. Read by: ingest.
select version, opening from lake_versions where source = $source and lake = $lake
