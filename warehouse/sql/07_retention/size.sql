-- grain: one row: blocks of the warehouse's file, in use and free, in bytes. Read by: prune.
select
    block_size * total_blocks as total_bytes,
    block_size * free_blocks as free_bytes
from pragma_database_size()
where database_name = current_database()
