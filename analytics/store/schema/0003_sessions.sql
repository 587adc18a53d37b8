-- One row a session, what reporters say of seeds and edges, and what streams are called.
-- +goose Up
CREATE TABLE IF NOT EXISTS sessions
(
    day Date COMMENT 'on which it began: one that goes on for days has a row for every other one',
    visit UInt64 COMMENT 'hash of stream and session: numbers are merged faster than strings',
    stream SimpleAggregateFunction(any, LowCardinality(String)),
    session SimpleAggregateFunction(any, String) CODEC(ZSTD(1)),
    reporter SimpleAggregateFunction(anyLast, LowCardinality(String)),
    rendition SimpleAggregateFunction(anyLast, LowCardinality(String)),
    region SimpleAggregateFunction(anyLast, LowCardinality(String)),
    class SimpleAggregateFunction(anyLast, LowCardinality(String)),
    consent SimpleAggregateFunction(anyLast, LowCardinality(String)),
    first_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    last SimpleAggregateFunction(max, UInt64) COMMENT 'number of the last report, and its state as the lowest 4 bits',
    state String ALIAS ['starting', 'playing', 'seeking', 'stalled', 'paused', 'waiting', 'ended', 'failed', 'quit', 'preparing'][last % 16],
    reports SimpleAggregateFunction(sum, UInt64),
    start_ms SimpleAggregateFunction(max, UInt32) COMMENT '0: it never showed a picture',
    wanted_ms SimpleAggregateFunction(sum, UInt64),
    played_ms SimpleAggregateFunction(sum, UInt64),
    dry_ms SimpleAggregateFunction(sum, UInt64),
    stalls SimpleAggregateFunction(sum, UInt64),
    worst_delay_ms SimpleAggregateFunction(max, UInt32),
    peer_bytes SimpleAggregateFunction(sum, UInt64),
    seed_bytes SimpleAggregateFunction(sum, UInt64),
    edge_bytes SimpleAggregateFunction(sum, UInt64),
    origin_bytes SimpleAggregateFunction(sum, UInt64),
    given_bytes SimpleAggregateFunction(sum, UInt64),
    late SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, visit)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sessions_mv TO sessions AS
SELECT
    r.day AS day, sipHash64(r.stream, r.session) AS visit, any(r.stream) AS stream, any(r.session) AS session,
    anyLast(r.reporter) AS reporter, anyLast(r.rendition) AS rendition, anyLast(r.region) AS region,
    anyLast(r.class) AS class, anyLast(r.consent) AS consent,
    min(r.at) AS first_at, max(r.at) AS last_at,
    max(r.n * 16 + indexOf(['starting', 'playing', 'seeking', 'stalled', 'paused', 'waiting', 'ended', 'failed', 'quit', 'preparing'], r.state)) AS last, count() AS reports,
    max(r.start_ms) AS start_ms, sum(r.wanted_ms) AS wanted_ms, sum(r.played_ms) AS played_ms, sum(r.dry_ms) AS dry_ms,
    sum(r.stalls) AS stalls, max(r.delay_ms) AS worst_delay_ms,
    sum(r.peer_bytes) AS peer_bytes, sum(r.seed_bytes) AS seed_bytes, sum(r.edge_bytes) AS edge_bytes,
    sum(r.origin_bytes) AS origin_bytes, sum(r.given_bytes) AS given_bytes, sum(r.late) AS late
FROM reports AS r
GROUP BY day, visit;

CREATE TABLE IF NOT EXISTS servers_1m
(
    t DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    stream LowCardinality(String),
    id LowCardinality(String) COMMENT '8 digits of its peer id',
    kind LowCardinality(String) COMMENT 'seed or edge',
    told SimpleAggregateFunction(sum, UInt64) COMMENT 'by so many reports',
    rtt_ms SimpleAggregateFunction(sum, UInt64) COMMENT 'summed over those',
    kbps SimpleAggregateFunction(sum, UInt64) COMMENT 'likewise: what it gave to one neighbour',
    late SimpleAggregateFunction(sum, UInt64) COMMENT 'blocks that came too late'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (t, stream, id, kind)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS servers_1m_mv TO servers_1m AS
SELECT
    toStartOfMinute(toDateTime(at, 'UTC')) AS t, stream, id, kind,
    count() AS told, sum(rtt) AS rtt_ms, sum(speed) AS kbps, sum(overdue) AS late
FROM reports
ARRAY JOIN neighbour_id AS id, neighbour_kind AS kind, neighbour_rtt_ms AS rtt, neighbour_kbps AS speed, neighbour_late AS overdue
WHERE kind IN ('seed', 'edge')
GROUP BY t, stream, id, kind;

CREATE TABLE IF NOT EXISTS streams
(
    stream String COMMENT 'id',
    name String COMMENT 'what people call it',
    known DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(known)
ORDER BY stream;

CREATE TABLE IF NOT EXISTS settings
(
    name String,
    value Float64,
    set_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(set_at)
ORDER BY name;

-- +goose Down
DROP VIEW IF EXISTS servers_1m_mv;
DROP VIEW IF EXISTS sessions_mv;
DROP TABLE IF EXISTS settings;
DROP TABLE IF EXISTS streams;
DROP TABLE IF EXISTS servers_1m;
DROP TABLE IF EXISTS sessions;
