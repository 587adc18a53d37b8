-- What dashboards read: sums and distributions of ten seconds, and the same of longer times, each made of the one before.
-- Distributions are DDSketches: quantiles to 1 %, in a tenth of the room of t-digests and merged twenty times as fast.
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
    told_ms SimpleAggregateFunction(sum, UInt64) COMMENT 'time that the reports tell of',
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
    delay AggregateFunction(quantilesDDIf(0.01, 0.5, 0.95), UInt32, UInt8),
    start AggregateFunction(quantilesDDIf(0.01, 0.5, 0.95), UInt32, UInt8),
    signed50 AggregateFunction(quantilesDDIf(0.01, 0.5, 0.95), UInt32, UInt8),
    signed95 AggregateFunction(quantilesDDIf(0.01, 0.5, 0.95), UInt32, UInt8),
    here50 AggregateFunction(quantilesDDIf(0.01, 0.5, 0.95), UInt32, UInt8),
    here95 AggregateFunction(quantilesDDIf(0.01, 0.5, 0.95), UInt32, UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(t)
ORDER BY (reporter, t, stream, rendition, region, class, consent)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_10s_mv TO rollup_10s AS
SELECT
    toStartOfInterval(toDateTime(at, 'UTC'), INTERVAL 10 SECOND) AS t,
    stream, rendition, region, class, reporter, consent,
    count() AS reports,
    uniqCombinedState(14)(session) AS sessions,
    sum(interval_ms) AS told_ms,
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
    quantilesDDIfState(0.01, 0.5, 0.95)(delay_ms, delay_ms > 0) AS delay,
    quantilesDDIfState(0.01, 0.5, 0.95)(start_ms, start_ms > 0) AS start,
    quantilesDDIfState(0.01, 0.5, 0.95)(signed50_ms, signed50_ms > 0) AS signed50,
    quantilesDDIfState(0.01, 0.5, 0.95)(signed95_ms, signed95_ms > 0) AS signed95,
    quantilesDDIfState(0.01, 0.5, 0.95)(here50_ms, here50_ms > 0) AS here50,
    quantilesDDIfState(0.01, 0.5, 0.95)(here95_ms, here95_ms > 0) AS here95
FROM reports AS r
GROUP BY t, stream, rendition, region, class, reporter, consent;

CREATE TABLE IF NOT EXISTS rollup_1m AS rollup_10s
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (reporter, t, stream, rendition, region, class, consent)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_1m_mv TO rollup_1m AS
SELECT * REPLACE (toStartOfMinute(t) AS t) FROM rollup_10s;

CREATE TABLE IF NOT EXISTS rollup_10m AS rollup_10s
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (reporter, t, stream, rendition, region, class, consent)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_10m_mv TO rollup_10m AS
SELECT * REPLACE (toStartOfTenMinutes(t) AS t) FROM rollup_1m;

CREATE TABLE IF NOT EXISTS rollup_1h AS rollup_10s
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (reporter, t, stream, rendition, region, class, consent)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_1h_mv TO rollup_1h AS
SELECT * REPLACE (toStartOfHour(t) AS t) FROM rollup_10m;

-- +goose Down
DROP VIEW IF EXISTS rollup_1h_mv;
DROP VIEW IF EXISTS rollup_10m_mv;
DROP VIEW IF EXISTS rollup_1m_mv;
DROP VIEW IF EXISTS rollup_10s_mv;
DROP TABLE IF EXISTS rollup_1h;
DROP TABLE IF EXISTS rollup_10m;
DROP TABLE IF EXISTS rollup_1m;
DROP TABLE IF EXISTS rollup_10s;
