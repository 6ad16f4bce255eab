-- grain: one row: requests of a day's file that are to be forgotten.
select count(*) as requests from forgotten_requests
