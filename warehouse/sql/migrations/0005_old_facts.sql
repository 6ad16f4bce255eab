-- Days of facts that were taken out of the warehouse, and what stays behind of them.
create table pruned_days (
    source varchar not null,
    day date not null,
    requests bigint not null,
    impressions bigint not null,
    outcomes bigint not null,
    archived boolean not null,
    primary key (source, day)
);
create table pruned_likes (
    source varchar not null,
    impression_id varchar not null,
    user_id varchar not null,
    item_id varchar not null,
    shown_at timestamp not null,
    matured_at timestamp not null
);
create table pruned_items (
    source varchar not null,
    item_id varchar not null,
    first_shown_at timestamp not null,
    first_logged_at timestamp,
    primary key (source, item_id)
);
