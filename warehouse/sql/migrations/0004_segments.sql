-- The decision log is taken by segments, and what was eligible as a whole is referred to.
create table if not exists catalogues (
    source varchar, catalogue varchar, items varchar[] not null, primary key (source, catalogue)
);
create table if not exists segments (
    source varchar,
    file varchar,
    bytes bigint not null,
    lines bigint not null,
    crc bigint not null,
    edge bigint not null,
    written_ns bigint not null,
    requests bigint not null,
    outcomes bigint not null,
    broken bigint not null,
    first_at timestamp,
    last_at timestamp,
    primary key (source, file)
);
create table if not exists segment_catalogues (
    source varchar, file varchar, generation integer, catalogue varchar not null, primary key (source, file, generation)
);
create table if not exists broken_records (
    source varchar not null,
    file varchar not null,
    line bigint not null,
    "offset" bigint not null,
    reason varchar not null,
    raw blob not null,
    cutoff timestamp
);
create table if not exists forget_asked (
    source varchar not null, user_id varchar not null, asked_at timestamp not null
);
alter table requests add column if not exists eligible_of varchar;
