-- A piece's way: from its first sample at ingest to the signature, from there to seeds, and from there to viewers.
SELECT
    {time},
    quantilesTDigestIfMergeIf(0.5, 0.95)(signed50, {serving})[1] AS signed_p50_ms,
    quantilesTDigestIfMergeIf(0.5, 0.95)(signed95, {serving})[2] AS signed_p95_ms,
    quantilesTDigestIfMergeIf(0.5, 0.95)(here50, {serving})[1] AS seeded_p50_ms,
    quantilesTDigestIfMergeIf(0.5, 0.95)(here95, {serving})[2] AS seeded_p95_ms,
    quantilesTDigestIfMergeIf(0.5, 0.95)(here50, {watching})[1] AS viewed_p50_ms,
    quantilesTDigestIfMergeIf(0.5, 0.95)(here95, {watching})[2] AS viewed_p95_ms
FROM {rollup}
WHERE {range} AND ({filters} OR {serving} AND ({stream:String} = '' OR stream = {stream:String}))
GROUP BY time
ORDER BY time
