-- The range by one of the columns that reports have.
SELECT
    r.{by} AS value,
    uniqCombinedMerge(14)(r.sessions) AS viewers,
    sum(r.wanted_ms) / 3.6e6 AS hours,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.delay)[2] AS delay_p95_ms,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.start)[1] AS startup_p50_ms,
    sum(r.dry_ms) / sum(r.wanted_ms) AS rebuffering_ratio,
    sum(r.stalls) * 3.6e6 / sum(r.wanted_ms) AS stalls_per_viewer_hour,
    sum(r.peer_bytes + r.seed_bytes + r.edge_bytes + r.origin_bytes) AS bytes,
    sum(r.peer_bytes) / sum(r.peer_bytes + r.seed_bytes + r.edge_bytes + r.origin_bytes) AS offload
FROM {whole} AS r
WHERE {range} AND {watching} AND {filters}
GROUP BY value
ORDER BY viewers DESC, hours DESC, value
LIMIT 100
