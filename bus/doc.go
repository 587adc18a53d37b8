// Package bus is how Shoal's services meet: facts published to and followed from
// NATS JetStream, on a server embedded in the process or an outside one. It owns
// every subject, stream and consumer (table.go) and is the only importer of nats:
// what crosses its API are the types of package event, plain bytes and errors.
//
// What the settings give, no more: STREAM, MANIFEST and DEAD are synced to disk
// before a publish is acknowledged, so nothing acknowledged is lost to kill -9.
// PIECES is written behind the acknowledgement: a crash may lose its tail, and its
// sequences may then be used again, so they key no state.
package bus
