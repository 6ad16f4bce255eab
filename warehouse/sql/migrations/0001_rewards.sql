-- Up to 0.2 an outcome's reward was called value.
alter table outcomes add column if not exists grade double;
alter table outcomes rename column value to reward;
