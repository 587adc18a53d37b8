SELECT
    *,
    state IN ('quit', 'ended', 'failed') OR seen < now64(3) - INTERVAL 30 SECOND AS over,
    toBool(startup_ms = 0 AND over) AS gone
FROM (
    SELECT
        s.stream AS stream, s.session AS session,
        anyLast(s.rendition) AS rendition, anyLast(s.region) AS region, anyLast(s.class) AS class, anyLast(s.consent) AS consent,
        min(s.first_at) AS began, max(s.last_at) AS seen, argMaxMerge(s.last) AS state,
        max(s.start_ms) AS startup_ms,
        sum(s.wanted_ms) / 1000 AS wanted_s, sum(s.played_ms) / 1000 AS played_s, sum(s.dry_ms) / 1000 AS stalled_s,
        if(wanted_s = 0, 0, stalled_s / wanted_s) AS rebuffering_ratio,
        sum(s.stalls) AS stall_count, max(s.worst_delay_ms) AS delay_worst_ms,
        sum(s.peer_bytes + s.seed_bytes + s.edge_bytes + s.origin_bytes) AS bytes,
        sum(s.peer_bytes) / bytes AS offload,
        sum(s.given_bytes) AS given_bytes, sum(s.late) AS pieces_late
    FROM sessions AS s
    WHERE s.day >= toDate({from:DateTime('UTC')}) - 1 AND s.day <= toDate({to:DateTime('UTC')})
        AND s.reporter IN ('page', 'watch')
        AND ({stream:String} = '' OR s.stream = {stream:String})
    GROUP BY s.stream, s.session
    HAVING seen >= {from:DateTime('UTC')} AND began < {to:DateTime('UTC')}
)
WHERE {filters}
