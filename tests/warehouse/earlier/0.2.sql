-- The warehouse. Facts first, then the ledger: what the loop did, keyed by cutoff and generation.
-- Instants are UTC timestamps. Facts are append-only; what a contract rejects stays, and is named in quarantine.

-- grain: one ingested file or decision log, by content. Read by: ingest (idempotence), status.
create table if not exists batches (
    digest varchar primary key,
    source varchar not null,
    path varchar not null,
    rows bigint not null,
    duplicates bigint not null,
    first_at timestamp,
    last_at timestamp
);

-- grain: one call for a slate. `eligible` null: the log did not record what could have been shown.
create table if not exists requests (
    request_id varchar not null,
    source varchar not null,
    user_id varchar not null,
    requested_at timestamp not null,
    generation integer,
    context json,
    eligible varchar[],
    batch varchar not null
);

-- grain: one item shown at one position. `propensity` is conditional on the prefix of the slate, null where the log
-- has none; `logit` is the logging generation's own prediction, `score` what its memory made of it.
create table if not exists impressions (
    impression_id varchar not null,
    request_id varchar not null,
    source varchar not null,
    item_id varchar not null,
    position integer not null,
    propensity double,
    score double,
    logit double,
    generation integer,
    logging_policy varchar,
    shown_at timestamp not null,
    batch varchar not null
);

-- grain: one thing a user did about one impression; value is the reward, grade how strong it was, if known.
create table if not exists outcomes (
    impression_id varchar not null,
    source varchar not null,
    kind varchar not null,
    value double not null,
    grade double,
    outcome_at timestamp not null,
    batch varchar not null
);

-- grain: one user, one item; attributes as the source's fields name them. The last batch to name an id wins.
create table if not exists users (source varchar, user_id varchar, attributes json, primary key (source, user_id));
create table if not exists items (source varchar, item_id varchar, attributes json, primary key (source, item_id));

-- grain: one rejected row of one window, with the contract it broke.
create table if not exists quarantine (
    source varchar not null,
    cutoff timestamp not null,
    table_name varchar not null,
    row_id varchar not null,
    reason varchar not null
);

-- grain: one turn of the loop. `finished` is set last: a turn without it is resumed, never repeated.
create table if not exists windows (
    source varchar not null,
    cutoff timestamp not null,
    start timestamp not null,
    requests bigint,
    impressions bigint,
    turn json,
    finished boolean not null default false,
    primary key (source, cutoff)
);
create table if not exists validations (
    source varchar, cutoff timestamp, accepted bigint, quarantined bigint, report json, primary key (source, cutoff)
);
create table if not exists drift_reports (
    source varchar, cutoff timestamp, champion integer, action varchar, reasons varchar[], state json, report json,
    primary key (source, cutoff)
);

-- grain: one generation, promoted or held; numbers are never reused.
create table if not exists generations (
    generation integer primary key,
    source varchar not null,
    parent integer,
    start timestamp not null,
    cutoff timestamp not null,
    rows bigint not null,
    grown bigint not null,
    expired bigint not null,
    bundle varchar not null,
    manifest_digest varchar not null,
    unique (source, cutoff)
);

-- grain: the memory of one generation as of one cutoff.
create table if not exists memories (
    generation integer, cutoff timestamp, folder varchar not null, digest varchar not null,
    primary key (generation, cutoff)
);

-- grain: one judgement of the gate.
create table if not exists evaluations (
    source varchar, cutoff timestamp, challenger integer, champion integer, verdict varchar not null,
    reasons varchar[] not null, report json not null, primary key (source, cutoff)
);

-- grain: one move of the champion pointer; append-only, numbered in order.
create table if not exists releases (
    release integer primary key,
    source varchar not null,
    generation integer not null,
    previous integer,
    kind varchar not null,
    reason varchar not null,
    cutoff timestamp
);
