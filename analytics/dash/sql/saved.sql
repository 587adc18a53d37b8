-- What viewers gave to each other, which no server had to send: the sum from the beginning of the range.
SELECT
    time,
    sum(saved) OVER (ORDER BY time) AS saved_bytes,
    saved_bytes / 1e9 * {price} AS saved_money
FROM (
    SELECT {time}, sum(peer_bytes) AS saved
    FROM {rollup}
    WHERE {range} AND {watching} AND {filters}
    GROUP BY time
)
ORDER BY time
