-- A piece's way: from its first sample at ingest to the signature, from there to seeds, and from there to viewers.
SELECT
    time,
    anyIf(signed50, serves) AS signed_p50_ms,
    anyIf(signed95, serves) AS signed_p95_ms,
    anyIf(here50, serves) AS seeded_p50_ms,
    anyIf(here95, serves) AS seeded_p95_ms,
    anyIf(here50, NOT serves) AS viewed_p50_ms,
    anyIf(here95, NOT serves) AS viewed_p95_ms
FROM (
    SELECT
        {time}, {serving} AS serves,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(r.signed50)[1] AS signed50,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(r.signed95)[2] AS signed95,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(r.here50)[1] AS here50,
        quantilesDDIfMerge(0.01, 0.5, 0.95)(r.here95)[2] AS here95
    FROM {rollup} AS r
    WHERE {range} AND ({filters} OR {serving} AND ({stream:String} = '' OR stream = {stream:String}))
    GROUP BY time, serves
)
GROUP BY time
ORDER BY time
