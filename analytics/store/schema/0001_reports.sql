-- Reports as they came, one row each, and what reads them by session.
-- +goose Up
CREATE TABLE IF NOT EXISTS reports
(
    received DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)) COMMENT 'when the bus had it',
    seq UInt64 CODEC(DoubleDelta, ZSTD(1)) COMMENT 'its number on the bus',
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)) COMMENT 'what it was sent at, by the device; put right where that cannot be',
    clamped Bool COMMENT 'the time was put right',
    stream LowCardinality(String) COMMENT 'id',
    session String CODEC(ZSTD(1)) COMMENT 'one visit',
    n UInt32 CODEC(T64, ZSTD(1)) COMMENT 'number within the session, from 0',
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
    top_kbps UInt32 CODEC(T64, ZSTD(1)) COMMENT 'the greatest bitrate there is',
    measured_kbps UInt32 CODEC(T64, ZSTD(1)) COMMENT 'throughput while receiving',
    buffer_ms UInt32 CODEC(T64, ZSTD(1)),
    delay_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'picture behind the camera; 0: no picture',
    start_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'from the wish to see to the first picture; told once, 0 otherwise',
    dropped UInt32 CODEC(T64, ZSTD(1)) COMMENT 'pictures not shown since the session began',
    slack_ms Int32 CODEC(T64, ZSTD(1)) COMMENT 'half of the pieces were here so long before they were needed, at least',
    least_slack_ms Int32 CODEC(T64, ZSTD(1)) COMMENT 'and 19 of 20',
    interval_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'the time that it tells of',
    wanted_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'in which the picture should have moved',
    played_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'in which it did',
    dry_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'in which it waited for bytes',
    stalls UInt32 CODEC(T64, ZSTD(1)) COMMENT 'of 250 ms or longer',
    peer_bytes UInt64 CODEC(T64, ZSTD(1)) COMMENT 'verified bytes of media, by who delivered them',
    seed_bytes UInt64 CODEC(T64, ZSTD(1)),
    edge_bytes UInt64 CODEC(T64, ZSTD(1)),
    origin_bytes UInt64 CODEC(T64, ZSTD(1)),
    duplicate_bytes UInt64 CODEC(T64, ZSTD(1)) COMMENT 'that came more than once',
    given_bytes UInt64 CODEC(T64, ZSTD(1)) COMMENT 'to other peers',
    uplink_kbps UInt32 CODEC(T64, ZSTD(1)) COMMENT 'what may be given; 0: no bound',
    verified UInt32 CODEC(T64, ZSTD(1)) COMMENT 'pieces',
    rejected UInt32 CODEC(T64, ZSTD(1)) COMMENT 'pieces that were not what was signed',
    false_blocks UInt32 CODEC(T64, ZSTD(1)),
    late UInt32 CODEC(T64, ZSTD(1)) COMMENT 'pieces that came after they were needed',
    peers UInt32 CODEC(T64, ZSTD(1)) COMMENT 'connected',
    swaps UInt32 CODEC(T64, ZSTD(1)) COMMENT 'parents that were exchanged',
    signed50_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'from the first sample at ingest to the signed entry: median',
    signed95_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'and 95th percentile',
    here50_ms UInt32 CODEC(T64, ZSTD(1)) COMMENT 'from the entry to the piece verified at the reporter: median',
    here95_ms UInt32 CODEC(T64, ZSTD(1)),
    neighbour_id Array(String) CODEC(ZSTD(1)) COMMENT 'those that gave most: 8 digits of their ids',
    neighbour_kind Array(LowCardinality(String)),
    neighbour_rtt_ms Array(UInt32) CODEC(ZSTD(1)),
    neighbour_kbps Array(UInt32) CODEC(ZSTD(1)),
    neighbour_late Array(UInt32) CODEC(ZSTD(1)) COMMENT 'blocks of theirs that came too late'
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (stream, session, n)
SETTINGS non_replicated_deduplication_window = 10000;

-- +goose Down
DROP TABLE IF EXISTS reports;
