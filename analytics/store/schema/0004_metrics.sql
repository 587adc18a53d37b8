-- The metrics that people know, by name. docs/METRICS.md has each with unit and definition.
-- +goose Up
CREATE VIEW IF NOT EXISTS metrics_1m AS
WITH x -> if(isNaN(x), NULL, x) AS known -- there may be no figure
SELECT
    t AS minute,
    r.stream AS stream,
    any(s.name) AS name,
    rendition, region, class, consent,
    uniqCombinedMerge(14)(sessions) AS viewers,
    sum(starts) AS starts,
    known(quantilesDDIfMerge(0.01, 0.5, 0.95)(start)[1]) AS startup_p50_ms,
    known(quantilesDDIfMerge(0.01, 0.5, 0.95)(start)[2]) AS startup_p95_ms,
    known(quantilesDDIfMerge(0.01, 0.5, 0.95)(delay)[1]) AS delay_p50_ms,
    known(quantilesDDIfMerge(0.01, 0.5, 0.95)(delay)[2]) AS delay_p95_ms,
    sum(stalls) AS stalls,
    if(sum(wanted_ms) = 0, 0, stalls * 3.6e6 / sum(wanted_ms)) AS stalls_per_viewer_hour,
    if(sum(wanted_ms) = 0, 0, sum(dry_ms) / sum(wanted_ms)) AS rebuffering_ratio,
    sum(wanted_ms) / 1000 AS wanted_s,
    sum(dry_ms) / 1000 AS stalled_s,
    sum(peer_bytes) AS from_peers_bytes,
    sum(seed_bytes) AS from_seeds_bytes,
    sum(edge_bytes) AS from_edges_bytes,
    sum(origin_bytes) AS from_origin_bytes,
    from_peers_bytes + from_seeds_bytes + from_edges_bytes + from_origin_bytes AS bytes,
    if(bytes = 0, 0, from_peers_bytes / bytes) AS offload,
    from_peers_bytes AS egress_saved_bytes,
    from_peers_bytes / 1e9 * (SELECT ifNull(argMax(value, set_at), 0) FROM settings WHERE settings.name = 'egress_price_per_gb') AS egress_saved_money,
    sum(verified) AS pieces_verified,
    sum(rejected) AS pieces_rejected,
    sum(late) AS pieces_late
FROM rollup_1m AS r
LEFT JOIN (SELECT stream, argMax(name, known) AS name FROM streams GROUP BY stream) AS s ON s.stream = r.stream
WHERE reporter IN ('page', 'watch')
GROUP BY t, r.stream, rendition, region, class, consent;

CREATE VIEW IF NOT EXISTS piece_way_1m AS
WITH x -> if(isNaN(x), NULL, x) AS known
SELECT
    t AS minute, stream, rendition, region,
    known(quantilesDDIfMergeIf(0.01, 0.5, 0.95)(signed50, reporter IN ('seed', 'edge'))[1]) AS signed_p50_ms,
    known(quantilesDDIfMergeIf(0.01, 0.5, 0.95)(signed95, reporter IN ('seed', 'edge'))[2]) AS signed_p95_ms,
    known(quantilesDDIfMergeIf(0.01, 0.5, 0.95)(here50, reporter IN ('seed', 'edge'))[1]) AS seeded_p50_ms,
    known(quantilesDDIfMergeIf(0.01, 0.5, 0.95)(here95, reporter IN ('seed', 'edge'))[2]) AS seeded_p95_ms,
    known(quantilesDDIfMergeIf(0.01, 0.5, 0.95)(here50, reporter IN ('page', 'watch'))[1]) AS viewed_p50_ms,
    known(quantilesDDIfMergeIf(0.01, 0.5, 0.95)(here95, reporter IN ('page', 'watch'))[2]) AS viewed_p95_ms
FROM rollup_1m
GROUP BY t, stream, rendition, region;

CREATE VIEW IF NOT EXISTS visits AS
SELECT
    s.stream AS stream, any(names.name) AS name, session,
    anyLast(s.reporter) AS reporter, anyLast(s.rendition) AS rendition, anyLast(s.region) AS region,
    anyLast(s.class) AS class, anyLast(s.consent) AS consent,
    min(s.first_at) AS began, max(s.last_at) AS seen,
    argMax(s.state, s.last) AS state,
    max(s.start_ms) AS startup_ms,
    startup_ms = 0 AND (state IN ('quit', 'ended', 'failed') OR seen < now64(3) - INTERVAL 30 SECOND) AS left_before_start,
    sum(s.wanted_ms) / 1000 AS wanted_s,
    sum(s.played_ms) / 1000 AS played_s,
    sum(s.dry_ms) / 1000 AS stalled_s,
    if(sum(s.wanted_ms) = 0, 0, sum(s.dry_ms) / sum(s.wanted_ms)) AS rebuffering_ratio,
    sum(s.stalls) AS stall_count,
    max(s.worst_delay_ms) AS delay_worst_ms,
    sum(s.peer_bytes) AS from_peers_bytes,
    sum(s.peer_bytes + s.seed_bytes + s.edge_bytes + s.origin_bytes) AS bytes,
    if(bytes = 0, 0, from_peers_bytes / bytes) AS offload,
    sum(s.given_bytes) AS given,
    sum(s.late) AS pieces_late
FROM sessions AS s
LEFT JOIN (SELECT stream, argMax(name, known) AS name FROM streams GROUP BY stream) AS names ON names.stream = s.stream
GROUP BY s.stream, session;

CREATE VIEW IF NOT EXISTS lateness_1m AS
SELECT
    t AS minute, stream, id, kind,
    sum(told) AS neighbours,
    sum(rtt_ms) / sum(told) AS rtt_mean_ms,
    sum(kbps) / sum(told) AS goodput_mean_kbps,
    sum(late) AS blocks_late
FROM servers_1m
GROUP BY t, stream, id, kind;

-- +goose Down
DROP VIEW IF EXISTS lateness_1m;
DROP VIEW IF EXISTS visits;
DROP VIEW IF EXISTS piece_way_1m;
DROP VIEW IF EXISTS metrics_1m;
