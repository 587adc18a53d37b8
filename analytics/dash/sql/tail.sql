-- The last reports, newest first; after is what the newest one had that was seen before.
SELECT
    received, at, reporter, stream, session, n, event, state, rendition, region, class,
    buffer_ms, delay_ms, dry_ms, stalls, peer_bytes, seed_bytes, edge_bytes, origin_bytes, given_bytes, late, peers
FROM reports
WHERE at >= {to:DateTime('UTC')} - 120 AND received > {after:DateTime64(9, 'UTC')} AND {filters}
ORDER BY received DESC, session, n
LIMIT 100
