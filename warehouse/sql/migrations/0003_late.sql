-- What comes after the window it belongs to was closed is known from that cutoff on, and learned by the next turn.
alter table impressions add column if not exists known_from timestamp;
alter table outcomes add column if not exists known_from timestamp;
