-- What dashboards read: sums and distributions of ten seconds and of a minute.
-- +goose Up
CREATE TABLE IF NOT EXISTS rollup_10s
(
    t DateTime('UTC') COMMENT 'when the ten seconds begin' CODEC(DoubleDelta, ZSTD(1)),
    stream LowCardinality(String),
    rendition LowCardinality(String),
    region LowCardinality(String),
    class LowCardinality(String),
    reporter LowCardinality(String),
    consent LowCardinality(String),
    reports SimpleAggregateFunction(sum, UInt64),
    sessions AggregateFunction(uniqCombined(14), String),
    wanted_ms SimpleAggregateFunction(sum, UInt64),
    played_ms SimpleAggregateFunction(sum, UInt64),
    dry_ms SimpleAggregateFunction(sum, UInt64),
    stalls SimpleAggregateFunction(sum, UInt64),
    starts SimpleAggregateFunction(sum, UInt64) COMMENT 'first pictures',
    peer_bytes SimpleAggregateFunction(sum, UInt64),
    seed_bytes SimpleAggregateFunction(sum, UInt64),
    edge_bytes SimpleAggregateFunction(sum, UInt64),
    origin_bytes SimpleAggregateFunction(sum, UInt64),
    duplicate_bytes SimpleAggregateFunction(sum, UInt64),
    given_bytes SimpleAggregateFunction(sum, UInt64),
    verified SimpleAggregateFunction(sum, UInt64),
    rejected SimpleAggregateFunction(sum, UInt64),
    false_blocks SimpleAggregateFunction(sum, UInt64),
    late SimpleAggregateFunction(sum, UInt64),
    swaps SimpleAggregateFunction(sum, UInt64),
    clamped SimpleAggregateFunction(sum, UInt64),
    delay AggregateFunction(quantilesTDigestIf(0.5, 0.95), UInt32, UInt8),
    start AggregateFunction(quantilesTDigestIf(0.5, 0.95), UInt32, UInt8),
    slack AggregateFunction(quantilesTDigestIf(0.05, 0.5), Int32, UInt8),
    signed50 AggregateFunction(quantilesTDigestIf(0.5, 0.95), UInt32, UInt8),
    signed95 AggregateFunction(quantilesTDigestIf(0.5, 0.95), UInt32, UInt8),
    here50 AggregateFunction(quantilesTDigestIf(0.5, 0.95), UInt32, UInt8),
    here95 AggregateFunction(quantilesTDigestIf(0.5, 0.95), UInt32, UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(t)
ORDER BY (t, stream, rendition, region, class, reporter, consent)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_10s_mv TO rollup_10s AS
SELECT
    toStartOfInterval(toDateTime(at, 'UTC'), INTERVAL 10 SECOND) AS t,
    stream, rendition, region, class, reporter, consent,
    count() AS reports,
    uniqCombinedState(14)(session) AS sessions,
    sum(r.wanted_ms) AS wanted_ms,
    sum(r.played_ms) AS played_ms,
    sum(r.dry_ms) AS dry_ms,
    sum(r.stalls) AS stalls,
    countIf(start_ms > 0) AS starts,
    sum(r.peer_bytes) AS peer_bytes,
    sum(r.seed_bytes) AS seed_bytes,
    sum(r.edge_bytes) AS edge_bytes,
    sum(r.origin_bytes) AS origin_bytes,
    sum(r.duplicate_bytes) AS duplicate_bytes,
    sum(r.given_bytes) AS given_bytes,
    sum(r.verified) AS verified,
    sum(r.rejected) AS rejected,
    sum(r.false_blocks) AS false_blocks,
    sum(r.late) AS late,
    sum(r.swaps) AS swaps,
    countIf(r.clamped) AS clamped,
    quantilesTDigestIfState(0.5, 0.95)(delay_ms, delay_ms > 0) AS delay,
    quantilesTDigestIfState(0.5, 0.95)(start_ms, start_ms > 0) AS start,
    quantilesTDigestIfState(0.05, 0.5)(least_slack_ms, r.verified > 0) AS slack,
    quantilesTDigestIfState(0.5, 0.95)(signed50_ms, signed50_ms > 0) AS signed50,
    quantilesTDigestIfState(0.5, 0.95)(signed95_ms, signed95_ms > 0) AS signed95,
    quantilesTDigestIfState(0.5, 0.95)(here50_ms, here50_ms > 0) AS here50,
    quantilesTDigestIfState(0.5, 0.95)(here95_ms, here95_ms > 0) AS here95
FROM reports AS r
GROUP BY t, stream, rendition, region, class, reporter, consent;

CREATE TABLE IF NOT EXISTS rollup_1m AS rollup_10s
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (t, stream, rendition, region, class, reporter, consent)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_1m_mv TO rollup_1m AS
SELECT
    toStartOfMinute(t) AS t,
    stream, rendition, region, class, reporter, consent,
    sum(r.reports) AS reports,
    uniqCombinedMergeState(14)(r.sessions) AS sessions,
    sum(r.wanted_ms) AS wanted_ms,
    sum(r.played_ms) AS played_ms,
    sum(r.dry_ms) AS dry_ms,
    sum(r.stalls) AS stalls,
    sum(r.starts) AS starts,
    sum(r.peer_bytes) AS peer_bytes,
    sum(r.seed_bytes) AS seed_bytes,
    sum(r.edge_bytes) AS edge_bytes,
    sum(r.origin_bytes) AS origin_bytes,
    sum(r.duplicate_bytes) AS duplicate_bytes,
    sum(r.given_bytes) AS given_bytes,
    sum(r.verified) AS verified,
    sum(r.rejected) AS rejected,
    sum(r.false_blocks) AS false_blocks,
    sum(r.late) AS late,
    sum(r.swaps) AS swaps,
    sum(r.clamped) AS clamped,
    quantilesTDigestIfMergeState(0.5, 0.95)(r.delay) AS delay,
    quantilesTDigestIfMergeState(0.5, 0.95)(r.start) AS start,
    quantilesTDigestIfMergeState(0.05, 0.5)(r.slack) AS slack,
    quantilesTDigestIfMergeState(0.5, 0.95)(r.signed50) AS signed50,
    quantilesTDigestIfMergeState(0.5, 0.95)(r.signed95) AS signed95,
    quantilesTDigestIfMergeState(0.5, 0.95)(r.here50) AS here50,
    quantilesTDigestIfMergeState(0.5, 0.95)(r.here95) AS here95
FROM rollup_10s AS r
GROUP BY t, stream, rendition, region, class, reporter, consent;

-- +goose Down
DROP VIEW IF EXISTS rollup_1m_mv;
DROP VIEW IF EXISTS rollup_10s_mv;
DROP TABLE IF EXISTS rollup_1m;
DROP TABLE IF EXISTS rollup_10s;
