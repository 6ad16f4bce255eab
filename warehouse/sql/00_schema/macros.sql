-- What several queries mean by the same words. Macros live as long as a connection, so that they are the code's own.

-- grain: window about which something was decided, as it stands now.
create or replace temp macro decided_windows(of_source) as table (
    select start, cutoff, status, learnable_at
    from set_asides
    where source = of_source
    qualify row_number() over (partition by start, cutoff order by number desc) = 1
);

-- grain: window that nobody learns from.
create or replace temp macro aside(of_source) as table (
    select start, cutoff from decided_windows(of_source) where status in ('HALTED', 'QUARANTINED')
);

-- grain: impression whose reward is known, accepted by its contracts: what outcomes of one kind make of it. With
-- `attribution` null outcomes are explicit:
-- no outcome means unknown. Otherwise an impression matures `attribution` seconds after it was shown, and its reward
-- is the largest outcome that came in time, or 0; `grade` says how strong it was, null where that is unknown. What was shown or
-- became known inside a window that is set aside is left out; of one that was readmitted it counts as known from that on.
-- What came after its window was closed matures, or matures once more, with that window's end (`known_from`); `settled_at` is when the reward was known first, whatever it was then. Only what was shown in [since, until) is read, and
-- requests and outcomes from `asked` on, when the window began in which `since` lies: a contract wants a request in the window of
-- its impression, and an outcome after it. Facts are stored in order of time, so that the rest costs nothing. `of_impressions`
-- and `of_requests` may name tables with some of them.
create or replace temp macro matured(
    of_source, of_kind, attribution, since, until, asked, of_impressions := 'impressions', of_requests := 'requests'
) as table (
    with rewards as (
        select
            i.impression_id,
            max(o.reward) as reward,
            max(o.grade) as grade,
            min(o.outcome_at) as outcome_at,
            max(o.known_from) as known_from
        from query_table(of_impressions) as i
        join outcomes as o on o.impression_id = i.impression_id and o.source = of_source
        where i.source = of_source
            and i.shown_at >= since
            and i.shown_at < until
            and o.kind = of_kind
            and o.outcome_at >= asked
            and (attribution is null or o.outcome_at <= i.shown_at + to_microseconds((attribution * 1e6)::bigint))
        group by i.impression_id
    ),
    rejected as (
        select row_id from quarantine where source = of_source and table_name = 'impressions'
    ),
    known as (
        select
            i.impression_id,
            i.request_id,
            q.user_id,
            i.item_id,
            i.position,
            i.propensity,
            i.logit,
            i.score,
            i.generation,
            q.context,
            i.shown_at,
            i.known_from,
            coalesce(i.known_from, r.known_from) is not null as is_late,
            case
                when attribution is null then greatest(r.outcome_at, r.known_from)
                else i.shown_at + to_microseconds((attribution * 1e6)::bigint)
            end as settled_at,
            greatest(settled_at, i.known_from, r.known_from) as matured_at,
            coalesce(r.reward, 0)::float as reward,
            r.grade::float as grade
        from query_table(of_impressions) as i
        join query_table(of_requests) as q on q.request_id = i.request_id and q.source = of_source
        left join rewards as r on r.impression_id = i.impression_id
        anti join rejected as x on x.row_id = i.impression_id
        where i.source = of_source
            and i.shown_at >= since
            and i.shown_at < until
            and q.requested_at >= asked
            and (attribution is not null or r.reward is not null)
    ),
    readmitted as (
        select k.impression_id, max(d.learnable_at) as learnable_at
        from known as k
        join decided_windows(of_source) as d
            on (k.shown_at >= d.start and k.shown_at < d.cutoff) or (k.matured_at >= d.start and k.matured_at < d.cutoff)
        where d.learnable_at is not null
        group by k.impression_id
    ),
    dated as (
        select
            k.* replace (
                greatest(k.matured_at, r.learnable_at) as matured_at, greatest(k.settled_at, r.learnable_at) as settled_at
            )
        from known as k
        left join readmitted as r on r.impression_id = k.impression_id
    )
    select d.*
    from dated as d
    anti join aside(of_source) as a
        on (d.shown_at >= a.start and d.shown_at < a.cutoff) or (d.matured_at >= a.start and d.matured_at < a.cutoff)
);

-- grain: outcome as of [since, until), and as of before, if it was brought in one batch with what was shown since, or later:
-- it may be of what was shown since, and then it is wrong. What was brought earlier is of what was shown earlier.
create or replace temp macro told_since(of_source, since, until) as table (
    select impression_id, kind, reward, outcome_at
    from outcomes
    where source = of_source and outcome_at >= since and outcome_at < until
    union all
    select o.impression_id, o.kind, o.reward, o.outcome_at
    from outcomes as o
    semi join (
        select digest from batches where source = of_source and (last_at is null or last_at >= since)
    ) as b on b.digest = o.batch
    where o.source = of_source and o.outcome_at < since
);

-- grain: request of a user who was forgotten after it; of one batch, or, where that is null, of all.
create or replace temp macro of_forgotten(of_source, of_batch) as table (
    select q.request_id
    from requests as q
    join forgotten as f
        on f.source = q.source and f.user_digest = sha256(q.user_id) and q.requested_at <= f.forgotten_at
    where q.source = of_source and (of_batch is null or q.batch = of_batch)
);

-- grain: impression of which an outcome says that its item was liked, be it in time or not.
create or replace temp view rewarded_impressions as
select i.* from impressions as i semi join (
    select impression_id from outcomes where reward >= 0.5
) as o on o.impression_id = i.impression_id;

-- grain: matured impression whose item its user liked; `number` counts a user's likes in order of arrival, from 1, or from
-- the first that is known where the facts before were taken out.
create or replace temp macro likes(of_source, of_kind, attribution) as table (
    with liked as (
        select user_id, item_id, impression_id, matured_at
        from matured(
            of_source,
            of_kind,
            attribution,
            '-infinity'::timestamp,
            'infinity'::timestamp,
            '-infinity'::timestamp,
            of_impressions := 'rewarded_impressions'
        )
        where reward >= 0.5
        union all
        select user_id, item_id, impression_id, matured_at from pruned_likes where source = of_source
    )
    select
        user_id,
        item_id,
        matured_at,
        row_number() over (partition by user_id order by matured_at, impression_id) as number
    from liked
);
