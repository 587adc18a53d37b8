-- How far behind the camera the picture is.
SELECT
    {time},
    quantilesDDIfMerge(0.01, 0.5, 0.95)(delay)[1] AS p50_ms,
    quantilesDDIfMerge(0.01, 0.5, 0.95)(delay)[2] AS p95_ms
FROM {rollup}
WHERE {range} AND {watching} AND {filters}
GROUP BY time
ORDER BY time
