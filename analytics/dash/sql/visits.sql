-- Visits that were there in the range, the worst first: those that waited for the greatest part of their time.
SELECT
    v.stream AS stream, n.name AS name, session, began, seen, state, rendition, region, class, consent,
    startup_ms, gone AS left_before_start, wanted_s, played_s, stalled_s, rebuffering_ratio, stall_count, delay_worst_ms,
    bytes, offload, given_bytes, pieces_late
FROM (
    SELECT *
    FROM ({visits})
    WHERE {only:String} = ''
        OR {only:String} = 'stalled' AND stall_count > 0
        OR {only:String} = 'left' AND gone
        OR {only:String} = 'failed' AND state = 'failed'
        OR {only:String} = 'watching' AND NOT over
    ORDER BY rebuffering_ratio DESC, stall_count DESC, gone DESC, wanted_s DESC, session
    LIMIT 200
) AS v
LEFT JOIN {names} AS n ON n.stream = v.stream
ORDER BY rebuffering_ratio DESC, stall_count DESC, gone DESC, wanted_s DESC, session
