-- grain: impression that was received; those equal in every column are one. Those that share an id but differ all stay, for
-- the contract on duplicate impressions to find.
create or replace temp view batch_impressions as
select distinct * from received_impressions
