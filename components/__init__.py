"""The pure middle: arrays and frames in, values out.

Nothing here knows Prefect, BentoML, DuckDB, the clock or the dice: `cutoff` and
`rng` are arguments. The two shells, `flows/` and `bento/`, bring time and I/O.
"""
