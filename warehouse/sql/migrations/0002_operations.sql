-- From 0.3 on: a catalogue that changes, users who are forgotten, windows that are set aside, canaries, and what the gate
-- promised. Some of it is there already in a file of a release before migrations were numbered.
create table if not exists migrations (number integer primary key, name varchar not null);
alter table users add column if not exists changed_at timestamp;
alter table items add column if not exists changed_at timestamp;
alter table items add column if not exists hidden boolean default false;
create table if not exists forgotten (
    source varchar not null,
    user_digest varchar not null,
    user_key ubigint not null,
    forgotten_at timestamp not null,
    primary key (source, user_digest)
);
create table if not exists set_asides (
    number integer primary key,
    source varchar not null,
    start timestamp not null,
    cutoff timestamp not null,
    status varchar not null,
    reasons varchar[] not null,
    learnable_at timestamp
);
create table if not exists standings (generation integer primary key, source varchar not null, standing json not null);
create table if not exists promises (generation integer primary key, source varchar not null, promise json not null);
create table if not exists trusts (
    generation integer, cutoff timestamp, trust json not null, primary key (generation, cutoff)
);
create table if not exists canaries (
    generation integer primary key,
    source varchar not null,
    champion integer not null,
    began_at timestamp not null,
    settings json not null,
    looked_at timestamp,
    look json,
    verdict varchar,
    reasons varchar[],
    ended_at timestamp
);
