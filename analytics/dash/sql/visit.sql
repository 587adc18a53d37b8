-- One visit: all of its reports.
SELECT
    n, at, event, state, hidden, starved, rendition, region, class, consent, bitrate_kbps, top_kbps, measured_kbps, buffer_ms, delay_ms, start_ms,
    dropped, slack_ms, least_slack_ms, interval_ms, wanted_ms, played_ms, dry_ms, stalls,
    peer_bytes, seed_bytes, edge_bytes, origin_bytes, duplicate_bytes, given_bytes, uplink_kbps,
    verified, rejected, false_blocks, late, peers, swaps, here50_ms, here95_ms,
    neighbour_id, neighbour_kind, neighbour_rtt_ms, neighbour_kbps, neighbour_late
FROM reports
WHERE stream = {stream:String} AND session = {session:String}
ORDER BY n
LIMIT 5000
