-- A piece's way: from its first sample at ingest to the signature, from there to seeds, and from there to viewers.
SELECT
    time,
    any(s.signed50) AS signed_p50_ms,
    any(s.signed95) AS signed_p95_ms,
    any(s.here50) AS seeded_p50_ms,
    any(s.here95) AS seeded_p95_ms,
    any(s.viewed50) AS viewed_p50_ms,
    any(s.viewed95) AS viewed_p95_ms
FROM (
    SELECT
        {time},
        quantilesDDIfMerge(0.01, 0.5, 0.95)(signed50)[1] AS signed50,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(signed95)[2] AS signed95,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(here50)[1] AS here50,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(here95)[2] AS here95,
        NULL AS viewed50, NULL AS viewed95
    FROM {rollup}
    WHERE {range} AND {serving} AND ({stream:String} = '' OR stream = {stream:String})
    GROUP BY time
    UNION ALL
    SELECT
        {time}, NULL, NULL, NULL, NULL,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(here50)[1],
        quantilesDDIfMerge(0.01, 0.5, 0.95)(here95)[2]
    FROM {rollup}
    WHERE {range} AND {watching} AND {filters}
    GROUP BY time
) AS s
GROUP BY time
ORDER BY time
