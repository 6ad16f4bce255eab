-- grain: one impression of one day of a made log: a request that showed one of ten eligible items. Read by: scale_log.
-- Written as it is drawn, in the order of the instants shown. Two steps of hashing: DuckDB's hash of several values ends
-- in an exclusive or, so that hash(i, 1) and hash(i, 2) would tell each other, and a propensity would not be true of a user.
-- `$span`: microseconds from `$begins` on over which `$impressions` are spread; `$day` is what tastes drift by.
copy (
    with seeds as (
        select i, hash($seed::bigint, $day::bigint, i) as seed from range($impressions::bigint) as numbers (i)
    ),

    draws as (
        select
            i,
            hash(xor(seed, 1::ubigint)) / 18446744073709551616.0 as of_user,
            hash(xor(seed, 2::ubigint)) as of_first,
            hash(xor(seed, 3::ubigint)) as of_step,
            hash(xor(seed, 4::ubigint)) / 18446744073709551616.0 as of_place,
            hash(xor(seed, 5::ubigint)) / 18446744073709551616.0 as of_click
        from seeds
    ),

    -- A power law: a user's share falls with the root of its rank, from hundreds of requests a day to ten.
    requests as (
        select
            i,
            floor($users::bigint * of_user * of_user)::bigint as user_number,
            -- A quarter of the users turn to the next of eight kinds each day.
            (user_number + ($day::bigint + user_number % 4) // 4) % 8 as liked_kind,
            (of_first % $items::ubigint)::bigint as first_item,
            1 + (of_step % ($items::ubigint // 10 - 1))::bigint as step,
            case when of_place < 0.37 then 0 else 1 + least(8, floor((of_place - 0.37) / 0.07))::bigint end as place,
            of_click
        from draws
    ),

    impressions as (
        select *, (first_item + place * step) % $items::bigint as item_number from requests
    ),

    -- What an item is to everybody comes and goes over forty days; what it is to a user is a matter of its kind.
    chances as (
        select
            *,
            0.5 + 0.5 * sin(2 * pi() * (hash($seed::bigint, item_number) / 18446744073709551616.0 + $day::bigint / 40.0)) as appeal,
            0.02 + 0.4 * appeal * appeal + case when item_number % 8 = liked_kind then 0.2 else 0 end as chance
        from impressions
    )

    select
        'r' || $day::bigint || '_' || i as request_id,
        'u' || user_number as user_id,
        'i' || item_number as item_id,
        $begins::bigint + i * $span::bigint // $impressions::bigint as shown_at,
        case when place = 0 then 0.37 else 0.07 end::double as propensity,
        list_transform(range(10), lambda k: 'i' || (first_item + k * step) % $items::bigint) as eligible,
        (of_click < chance)::integer as clicked
    from chances
) to $path (format parquet)
