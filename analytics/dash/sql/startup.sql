-- From the wish to see to the first picture.
SELECT
    {time},
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.start)[1] AS p50_ms,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(r.start)[2] AS p95_ms,
    sum(r.starts) AS starts
FROM {rollup} AS r
WHERE {range} AND {watching} AND {filters}
GROUP BY time
ORDER BY time
