-- Seeds and edges as viewers saw them, those with the most late blocks first.
SELECT
    id, kind, stream,
    sum(told) AS reports,
    sum(r.rtt_ms) / sum(told) AS rtt_mean_ms,
    sum(r.kbps) / sum(told) AS goodput_mean_kbps,
    sum(late) AS blocks_late,
    blocks_late * 60 / dateDiff('second', {from:DateTime('UTC')}, {to:DateTime('UTC')}) AS blocks_late_a_minute
FROM servers_1m AS r
WHERE {range} AND ({stream:String} = '' OR stream = {stream:String})
GROUP BY id, kind, stream
ORDER BY blocks_late DESC, reports DESC, id
LIMIT 100
