// Package analytics takes what viewers, seeds and edges report from the bus into ClickHouse, each report once.
//
// A batch is a range of TELEMETRY. Before it is inserted, the range is recorded on the bus, and it is inserted under a token
// that the range makes: after a crash at any moment, exactly that range is read and inserted again, and ClickHouse drops what
// it has. ClickHouse may be away for as long as TELEMETRY keeps reports. What names a report is its session and number: copies
// that came by another way, or again, are not counted.
package analytics
