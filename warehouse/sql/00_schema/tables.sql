-- The warehouse, as a new file is laid out. Facts first, then the ledger: what the loop did, keyed by cutoff and
-- generation. Instants are UTC timestamps. Facts are append-only; what a contract rejects stays, and is named in quarantine.
-- A file of an earlier release comes to the same tables by the numbered scripts of sql/migrations: whoever changes
-- something here writes the next of them.

-- grain: one script of sql/migrations that this file has been through, or was laid out after.
create table migrations (number integer primary key, name varchar not null);

-- grain: one ingested file or decision log, by content. Read by: ingest (idempotence), status.
create table batches (
    digest varchar primary key,
    source varchar not null,
    path varchar not null,
    rows bigint not null,
    duplicates bigint not null,
    first_at timestamp,
    last_at timestamp
);

-- grain: one list of items that was eligible as a whole, named by its digest: what a service could show at a time. Stored
-- once, however many requests refer to it.
create table catalogues (
    source varchar, catalogue varchar, items varchar[] not null, primary key (source, catalogue)
);

-- grain: one file of the service's decision log: how many bytes and lines of it are in the warehouse, written in the
-- transaction that brings their rows; `crc` is the CRC-32 of those bytes, `edge` of the last of them (components/ingest/
-- segment.py), `written_ns` the file's own instant when they were read. `requests`, `outcomes`, `broken` count its lines.
create table segments (
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

-- grain: one generation's servable items as one file of the decision log named them last: requests further on refer to it.
create table segment_catalogues (
    source varchar, file varchar, generation integer, catalogue varchar not null, primary key (source, file, generation)
);

-- grain: one line of the decision log that is none, kept as it stands there (`raw`), or after which something is missing.
-- `cutoff`: the turn that told of it, null until one has.
create table broken_records (
    source varchar not null,
    file varchar not null,
    line bigint not null,
    "offset" bigint not null,
    reason varchar not null,
    raw blob not null,
    cutoff timestamp
);

-- grain: one user whom the decision log says to forget, until that is done.
create table forget_asked (
    source varchar not null, user_id varchar not null, asked_at timestamp not null
);

-- grain: one call for a slate. What was eligible: the items of the catalogue `eligible_of`, else `eligible`; both null: the
-- log did not record it.
create table requests (
    request_id varchar not null,
    source varchar not null,
    user_id varchar not null,
    requested_at timestamp not null,
    generation integer,
    context json,
    eligible varchar[],
    eligible_of varchar,
    batch varchar not null
);

-- grain: one item shown at one position. `propensity` is conditional on the prefix of the slate, null where the log
-- has none; `logit` is the logging generation's own prediction, `score` what its memory made of it. `known_from`: the cutoff
-- of the latest turn, where that was over before this came; null: it came in time. The same of outcomes.
create table impressions (
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
    known_from timestamp,
    batch varchar not null
);

-- grain: one thing a user did about one impression; reward is what the rule made of it, grade how strong it was, if known.
create table outcomes (
    impression_id varchar not null,
    source varchar not null,
    kind varchar not null,
    reward double not null,
    grade double,
    outcome_at timestamp not null,
    known_from timestamp,
    batch varchar not null
);

-- grain: one user, one item; attributes as the source's fields name them. The last batch to name an id wins.
-- `changed_at` is the latest change that the service was told; an item that is `hidden` is not served.
create table users (
    source varchar, user_id varchar, attributes json, changed_at timestamp, primary key (source, user_id)
);
create table items (
    source varchar,
    item_id varchar,
    attributes json,
    changed_at timestamp,
    hidden boolean default false,
    primary key (source, item_id)
);

-- grain: one user who was forgotten: rows of the time before are taken out, also of what is ingested later. Whom, is
-- told by the SHA-256 of the id, and by the key that models and memories had for it.
create table forgotten (
    source varchar not null,
    user_digest varchar not null,
    user_key ubigint not null,
    forgotten_at timestamp not null,
    primary key (source, user_digest)
);

-- grain: one rejected row of one window, with the contract it broke.
create table quarantine (
    source varchar not null,
    cutoff timestamp not null,
    table_name varchar not null,
    row_id varchar not null,
    reason varchar not null
);

-- grain: one decision about a window, append-only and numbered in order; the latest of a window stands. HALTED: the loop
-- refused to learn it. QUARANTINED: a person took it out. ACCEPTED, MENDED: it is learned after all, as it was logged or as
-- it was brought again, from `learnable_at` on.
create table set_asides (
    number integer primary key,
    source varchar not null,
    start timestamp not null,
    cutoff timestamp not null,
    status varchar not null,
    reasons varchar[] not null,
    learnable_at timestamp
);

-- grain: one turn of the loop. `finished` is set last: a turn without it is resumed, never repeated.
create table windows (
    source varchar not null,
    cutoff timestamp not null,
    start timestamp not null,
    requests bigint,
    impressions bigint,
    turn json,
    finished boolean not null default false,
    primary key (source, cutoff)
);
create table validations (
    source varchar, cutoff timestamp, accepted bigint, quarantined bigint, report json, primary key (source, cutoff)
);
create table drift_reports (
    source varchar, cutoff timestamp, champion integer, action varchar, reasons varchar[], state json, report json,
    primary key (source, cutoff)
);

-- grain: one generation, promoted or held; numbers are never reused.
create table generations (
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

-- grain: one generation that the gate released; `standing` (JSON): what releases since its anchor may have lost.
create table standings (generation integer primary key, source varchar not null, standing json not null);

-- grain: one generation that the gate released with a value; `promise` (JSON): that value, and what its own requests
-- have earned since.
create table promises (generation integer primary key, source varchar not null, promise json not null);

-- grain: the memory of one generation as of one cutoff.
create table memories (
    generation integer, cutoff timestamp, folder varchar not null, digest varchar not null,
    primary key (generation, cutoff)
);

-- grain: what the memory of one generation trusted as of one cutoff (JSON); it outlives the memory's folder.
create table trusts (
    generation integer, cutoff timestamp, trust json not null, primary key (generation, cutoff)
);

-- grain: one judgement of the gate.
create table evaluations (
    source varchar, cutoff timestamp, challenger integer, champion integer, verdict varchar not null,
    reasons varchar[] not null, report json not null, primary key (source, cutoff)
);

-- grain: one generation that the gate let serve a share of the users beside the champion; `settings` (JSON) are those it
-- was sent out with, `look` (JSON) the latest comparison. `verdict` null: it is out; PROMOTE, or ROLL_BACK: refused, the
-- champion never moved. `ended_at` null with a verdict: a person ended it.
create table canaries (
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

-- grain: one move of the champion pointer; append-only, numbered in order.
create table releases (
    release integer primary key,
    source varchar not null,
    generation integer not null,
    previous integer,
    kind varchar not null,
    reason varchar not null,
    cutoff timestamp
);

-- grain: one UTC day whose facts were taken out of the warehouse: how much it was, and whether its files were kept. What
-- is ingested later of such a day is left out. Read by: ingest, status, prune.
create table pruned_days (
    source varchar not null,
    day date not null,
    requests bigint not null,
    impressions bigint not null,
    outcomes bigint not null,
    archived boolean not null,
    primary key (source, day)
);

-- grain: one impression of a day that was taken out, whose item its user liked: the latest of every user, which a
-- request of today still asks for. Read by: the macro `likes`.
create table pruned_likes (
    source varchar not null,
    impression_id varchar not null,
    user_id varchar not null,
    item_id varchar not null,
    shown_at timestamp not null,
    matured_at timestamp not null
);

-- grain: one item shown on a day that was taken out; `first_logged_at` is when somebody else's log showed it first.
-- Read by: publish (what can be served), evaluate (what is new).
create table pruned_items (
    source varchar not null,
    item_id varchar not null,
    first_shown_at timestamp not null,
    first_logged_at timestamp,
    primary key (source, item_id)
);

-- grain: one file of a lake that was taken, or (`fault`) that could not be; written in the transaction that brings its rows.
-- `size` and `written_ns` are those it had: as long as it has them it is not opened again. `digest` is its batch's,
-- `columns` are those of the description that it has. Read by: ingest.
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

-- grain: one Delta table: the version up to which it was taken; `opening`: the files of that version are still being taken,
-- as the first. Read by: ingest.
create table lake_versions (
    source varchar, lake varchar, version bigint not null, opening boolean not null, primary key (source, lake)
);
