-- grain: request of a log, each named once.
create or replace temp view batch_requests as
select request_id, user_id, "at", generation, context, eligible from log_cells
