-- Bits a second that all viewers got, by who delivered them.
SELECT
    {time}, {covered},
    sum(peer_bytes) * 8 / covered AS peer_bps,
    sum(seed_bytes) * 8 / covered AS seed_bps,
    sum(edge_bytes) * 8 / covered AS edge_bps,
    sum(origin_bytes) * 8 / covered AS origin_bps
FROM {rollup}
WHERE {range} AND {watching} AND {filters}
GROUP BY time
ORDER BY time
