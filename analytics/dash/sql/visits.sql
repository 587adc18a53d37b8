-- Visits that were there in the range, the worst first: those that waited for the greatest part of their time. Which these are is
-- asked first, and all else of them alone, which takes half as long.
SELECT
    v.stream AS stream, n.name AS name, session, began, seen, state, rendition, region, class, consent,
    startup_ms, gone AS left_before_start, wanted_s, played_s, stalled_s, rebuffering_ratio, stall_count, delay_worst_ms,
    bytes, offload, given_bytes, pieces_late
FROM ({worst visits}) AS v
LEFT JOIN {names} AS n ON n.stream = v.stream
ORDER BY {badness}
