-- grain: row of the files of one day that left a warehouse, under the names by which logs are appended. Read by: ingest.
create or replace temp view batch_requests as
select * from read_parquet(getvariable('day_requests'), hive_partitioning = false);

create or replace temp view batch_catalogues as
select * from read_parquet(getvariable('day_catalogues'), hive_partitioning = false);

create or replace temp view batch_impressions as
select * from read_parquet(getvariable('day_impressions'), hive_partitioning = false);

create or replace temp view batch_outcomes as
select * from read_parquet(getvariable('day_outcomes'), hive_partitioning = false);
