-- Which part of the bytes came from other viewers.
SELECT {time}, sum(peer_bytes) / sum(peer_bytes + seed_bytes + edge_bytes + origin_bytes) AS offload
FROM {rollup}
WHERE {range} AND {watching} AND {filters}
GROUP BY time
ORDER BY time
