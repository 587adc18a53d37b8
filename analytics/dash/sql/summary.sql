-- The range in one row. Viewers are those of its last 40 seconds: reports over HTTP come twice a minute.
WITH (
    SELECT tuple(count(), countIf(gone)) FROM ({visits})
    WHERE began >= {from:DateTime('UTC')} AND began < {to:DateTime('UTC')}
) AS begun
SELECT
    (
        SELECT uniqCombinedMerge(14)(sessions) FROM rollup_10s
        WHERE t >= {to:DateTime('UTC')} - 40 AND t < {to:DateTime('UTC')} AND {watching} AND {filters}
    ) AS viewers,
    begun.1 AS visits_begun,
    begun.2 AS left_before_start,
    sum(r.wanted_ms) / 3.6e6 AS hours,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.delay)[1] AS delay_p50_ms,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.delay)[2] AS delay_p95_ms,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.start)[1] AS startup_p50_ms,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.start)[2] AS startup_p95_ms,
    sum(r.starts) AS starts,
    sum(r.stalls) AS stalls,
    sum(r.stalls) * 3.6e6 / sum(r.wanted_ms) AS stalls_per_viewer_hour,
    sum(r.dry_ms) / sum(r.wanted_ms) AS rebuffering_ratio,
    sum(r.peer_bytes + r.seed_bytes + r.edge_bytes + r.origin_bytes) AS bytes,
    sum(r.peer_bytes) / sum(r.peer_bytes + r.seed_bytes + r.edge_bytes + r.origin_bytes) AS offload,
    sum(r.peer_bytes) AS saved_bytes,
    sum(r.peer_bytes) / 1e9 * {price} AS saved_money,
    {price} AS price
FROM {whole} AS r
WHERE {range} AND {watching} AND {filters}
