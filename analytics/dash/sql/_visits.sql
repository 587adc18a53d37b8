SELECT
    visit, stream, session, rendition, region, class, consent,
    first_at AS began, last_at AS seen, state, start_ms AS startup_ms,
    state IN ('quit', 'ended', 'failed') OR seen < now64(3) - INTERVAL 30 SECOND AS over,
    toBool(startup_ms = 0 AND over) AS gone,
    s.wanted_ms / 1000 AS wanted_s, s.played_ms / 1000 AS played_s, s.dry_ms / 1000 AS stalled_s,
    if(s.wanted_ms = 0, 0, s.dry_ms / s.wanted_ms) AS rebuffering_ratio,
    s.stalls AS stall_count, s.worst_delay_ms AS delay_worst_ms,
    s.peer_bytes + s.seed_bytes + s.edge_bytes + s.origin_bytes AS bytes, s.peer_bytes / bytes AS offload,
    s.given_bytes AS given_bytes, s.late AS pieces_late
FROM sessions AS s FINAL
{of}
WHERE day >= toDate({from:DateTime('UTC')}) - 1 AND day <= toDate({to:DateTime('UTC')}) AND reporter IN ('page', 'watch')
    AND seen >= {from:DateTime('UTC')} AND began < {to:DateTime('UTC')} AND {filters}
