-- grain: impression that was shown in [since, cutoff), the $candidates first of the draw, whatever came of them; `key` is the
-- order of the draw, without replacement: a row's weight is 2^(shown_at / half-life), and algorithm A of Efraimidis and Spirakis
-- (2006) keeps the largest log(u) / w, which is the order of log(-log u) - log w upside down. u follows from the seed and the
-- impression alone, so that the draw does not depend on order or grouping. Of a day in `parts` (registered: day, part) one second
-- in `part` is looked at, and its rows weigh so much more: see `components.update.replay_reach`. Parts are powers of two, and
-- $least the smallest of them: what it leaves out the scan itself leaves out, before it reads anything but the instant, where a
-- join would be handed every row whole. Read by: replayed.
create or replace temp table replay_candidates as
select
    i.*,
    ((md5_number_lower(i.impression_id || '|' || $seed::varchar) >> 11)::double + 0.5) / 9007199254740992.0 as u,
    ln(-ln(u)) - epoch_us(i.shown_at) / 86400e6 * ln(2) / $half_life_days - ln(p.part) as key
from impressions as i
join parts as p on p.day = epoch_us(i.shown_at) // 86400000000
anti join (
    select row_id from quarantine where source = $source and table_name = 'impressions'
) as x on x.row_id = i.impression_id
where i.source = $source
    and i.shown_at >= make_timestamp($since)
    and i.shown_at < make_timestamp($cutoff)
    and hash(xor(hash(epoch_us(i.shown_at) // 1000000), $seed::ubigint)) & ($least - 1)::ubigint = 0
    and (p.part = 1 or hash(xor(hash(epoch_us(i.shown_at) // 1000000), $seed::ubigint)) % p.part::ubigint = 0)
order by key, i.impression_id
limit $candidates
