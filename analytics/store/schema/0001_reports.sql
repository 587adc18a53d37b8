-- Reports as they came, one row each, and what reads them by session.
-- +goose Up
CREATE TABLE IF NOT EXISTS reports
(
    received DateTime64(9, 'UTC') COMMENT 'when the bus had it' CODEC(DoubleDelta, ZSTD(1)),
    seq UInt64 COMMENT 'its number on the bus' CODEC(DoubleDelta, ZSTD(1)),
    at DateTime64(3, 'UTC') COMMENT 'what it was sent at, by the device; put right where that cannot be' CODEC(DoubleDelta, ZSTD(1)),
    day Date DEFAULT toDate(at) COMMENT 'on which its visit began; of one that goes on for days, every other one' CODEC(ZSTD(1)),
    clamped Bool COMMENT 'the time was put right',
    stream LowCardinality(String) COMMENT 'id',
    session String COMMENT 'one visit' CODEC(ZSTD(1)),
    n UInt32 COMMENT 'number within the session, from 0' CODEC(T64, ZSTD(1)),
    reporter LowCardinality(String) COMMENT 'page, watch, seed or edge',
    event LowCardinality(String) COMMENT 't: it was due; ps: the state changed',
    state LowCardinality(String) COMMENT 'starting, playing, seeking, stalled, paused, waiting, ended, failed, quit or preparing',
    rendition LowCardinality(String),
    region LowCardinality(String),
    class LowCardinality(String) COMMENT 'browser and kind of device',
    consent LowCardinality(String) COMMENT 'share, download or edge',
    hidden Bool COMMENT 'the page was not to be seen',
    starved Bool COMMENT 'it ran dry in this time',
    bitrate_kbps UInt32 CODEC(T64, ZSTD(1)),
    top_kbps UInt32 COMMENT 'the greatest bitrate there is' CODEC(T64, ZSTD(1)),
    measured_kbps UInt32 COMMENT 'throughput while receiving' CODEC(T64, ZSTD(1)),
    buffer_ms UInt32 CODEC(T64, ZSTD(1)),
    delay_ms UInt32 COMMENT 'picture behind the camera; 0: no picture' CODEC(T64, ZSTD(1)),
    start_ms UInt32 COMMENT 'from the wish to see to the first picture; told once, 0 otherwise' CODEC(T64, ZSTD(1)),
    dropped UInt32 COMMENT 'pictures not shown since the session began' CODEC(T64, ZSTD(1)),
    slack_ms Int32 COMMENT 'half of the pieces were here so long before they were needed, at least' CODEC(T64, ZSTD(1)),
    least_slack_ms Int32 COMMENT 'and 19 of 20' CODEC(T64, ZSTD(1)),
    interval_ms UInt32 COMMENT 'the time that it tells of' CODEC(T64, ZSTD(1)),
    wanted_ms UInt32 COMMENT 'in which the picture should have moved' CODEC(T64, ZSTD(1)),
    played_ms UInt32 COMMENT 'in which it did' CODEC(T64, ZSTD(1)),
    dry_ms UInt32 COMMENT 'in which it waited for bytes' CODEC(T64, ZSTD(1)),
    stalls UInt32 COMMENT 'of 250 ms or longer' CODEC(T64, ZSTD(1)),
    peer_bytes UInt64 COMMENT 'verified bytes of media, by who delivered them' CODEC(T64, ZSTD(1)),
    seed_bytes UInt64 CODEC(T64, ZSTD(1)),
    edge_bytes UInt64 CODEC(T64, ZSTD(1)),
    origin_bytes UInt64 CODEC(T64, ZSTD(1)),
    duplicate_bytes UInt64 COMMENT 'that came more than once' CODEC(T64, ZSTD(1)),
    given_bytes UInt64 COMMENT 'to other peers' CODEC(T64, ZSTD(1)),
    uplink_kbps UInt32 COMMENT 'what may be given; 0: no bound' CODEC(T64, ZSTD(1)),
    verified UInt32 COMMENT 'pieces' CODEC(T64, ZSTD(1)),
    rejected UInt32 COMMENT 'pieces that were not what was signed' CODEC(T64, ZSTD(1)),
    false_blocks UInt32 CODEC(T64, ZSTD(1)),
    late UInt32 COMMENT 'pieces that came after they were needed' CODEC(T64, ZSTD(1)),
    peers UInt32 COMMENT 'connected' CODEC(T64, ZSTD(1)),
    swaps UInt32 COMMENT 'parents that were exchanged' CODEC(T64, ZSTD(1)),
    signed50_ms UInt32 COMMENT 'from the first sample at ingest to the signed entry: median' CODEC(T64, ZSTD(1)),
    signed95_ms UInt32 COMMENT 'and 95th percentile' CODEC(T64, ZSTD(1)),
    here50_ms UInt32 COMMENT 'from the entry to the piece verified at the reporter: median' CODEC(T64, ZSTD(1)),
    here95_ms UInt32 CODEC(T64, ZSTD(1)),
    neighbour_id Array(String) COMMENT 'those that gave most: 8 digits of their ids' CODEC(ZSTD(1)),
    neighbour_kind Array(LowCardinality(String)),
    neighbour_rtt_ms Array(UInt32) CODEC(ZSTD(1)),
    neighbour_kbps Array(UInt32) CODEC(ZSTD(1)),
    neighbour_late Array(UInt32) COMMENT 'blocks of theirs that came too late' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (stream, session, n)
SETTINGS non_replicated_deduplication_window = 10000;

-- +goose Down
DROP TABLE IF EXISTS reports;
