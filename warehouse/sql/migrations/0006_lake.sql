-- Files of a lake that were taken, and how far a Delta table was followed.
create table lake_files (
    source varchar,
    lake varchar,
    file varchar,
    size bigint not null,
    written_ns bigint not null,
    digest varchar not null,
    columns varchar[] not null,
    fault varchar,
    primary key (source, lake, file)
);
create table lake_versions (
    source varchar, lake varchar, version bigint not null, opening boolean not null, primary key (source, lake)
);
