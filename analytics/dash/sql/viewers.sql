-- How many watch at a time: the time that their reports tell of, divided by the time that passed. The mean over each point of the
-- chart, and over the roll-up's row in it that has most.
SELECT
    time,
    round(sum(told) / any(covered) / 1000, 1) AS viewers,
    round(max(told / least({base}, dateDiff('second', t, {to:DateTime('UTC')})) / 1000), 1) AS most
FROM (
    SELECT {time}, {covered}, t, sum(told_ms) AS told
    FROM {rollup}
    WHERE {range} AND {watching} AND {filters}
    GROUP BY time, t
)
GROUP BY time
ORDER BY time
