-- Blocks of seeds and edges that came to viewers after they were needed, a minute.
SELECT
    {time}, {covered},
    sumIf(late, kind = 'seed') * 60 / greatest(60, covered) AS seed_blocks,
    sumIf(late, kind = 'edge') * 60 / greatest(60, covered) AS edge_blocks
FROM servers_1m
WHERE {range} AND ({stream:String} = '' OR stream = {stream:String})
GROUP BY time
ORDER BY time
