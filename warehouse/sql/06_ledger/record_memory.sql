-- grain: the memory of one generation as of one cutoff.
insert or replace into memories (generation, cutoff, folder, digest)
values ($generation, make_timestamp($cutoff), $folder, $digest)
