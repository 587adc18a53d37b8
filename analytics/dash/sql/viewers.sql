-- How many watch at a time: the mean over each point of the chart, and the most.
SELECT time, sum(seen) / greatest(1, ceil(any(covered) / {base})) AS viewers, max(seen) AS most
FROM (
    SELECT {time}, {covered}, uniqCombinedMerge(14)(sessions) AS seen
    FROM {rollup}
    WHERE {range} AND {watching} AND {filters}
    GROUP BY time, t
)
GROUP BY time
ORDER BY time
