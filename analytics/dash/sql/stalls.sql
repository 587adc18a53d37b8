-- How often the picture stood, and for which part of the time in which it should have moved.
SELECT
    {time},
    sum(r.stalls) * 3.6e6 / sum(r.wanted_ms) AS stalls_per_viewer_hour,
    sum(r.dry_ms) / sum(r.wanted_ms) AS rebuffering_ratio
FROM {rollup} AS r
WHERE {range} AND {watching} AND {filters}
GROUP BY time
ORDER BY time
