-- grain: request that was received; those equal in every column are one.
create or replace temp view batch_requests as
select distinct * from received_requests
