package bus

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

// Subjects and streams, all of them.
//
//	PIECES    shoal.piece.<stream>.<rendition>     a piece's bytes, described by its headers
//	MANIFEST  shoal.manifest.<stream>.<rendition>  entries, as DSSE JSON
//	          shoal.close.<stream>.<rendition>     event.FileClosed, one for each archive file
//	STREAM    shoal.stream.<stream>                event.StreamFact
//	PEERS     shoal.peer.<region>.<stream>         event.PeerFact; <stream> may be an infohash
//	DEAD      shoal.dead.<consumer>                what a consumer gave up on
//	(none)    shoal.receiver.<stream>              event.ReceiverReport, of the publish that comes now
//	(none)    shoal.control.<stream>.<session>     advice to one page
//	TELEMETRY shoal.telemetry.<stream>.<session>   event.Report, a line each
//	SINKS     shoal.sink.<name>                    how far a sink of telemetry is, in its own format
//
// Every follow is an ephemeral, unacknowledged, ordered consumer of one subject (or
// of all of STREAM), whose place is kept by the follower (see follower.go): what a
// service has to remember across restarts is in the facts themselves.
const (
	subjectRoot = "shoal"

	streamPieces   = "PIECES"
	streamManifest = "MANIFEST"
	streamStream   = "STREAM"
	streamPeers    = "PEERS"
	streamDead     = "DEAD"

	streamTelemetry = "TELEMETRY"
	streamSinks     = "SINKS"
)

func pieceSubject(id event.StreamID, r event.Rendition) string {
	return subjectRoot + ".piece." + string(id) + "." + string(r)
}

func manifestSubject(id event.StreamID, r event.Rendition) string {
	return subjectRoot + ".manifest." + string(id) + "." + string(r)
}

func closeSubject(id event.StreamID, r event.Rendition) string {
	return subjectRoot + ".close." + string(id) + "." + string(r)
}

const allCloses = subjectRoot + ".close.*.*"

// closeOf reads stream and rendition from a subject of closed files.
func closeOf(subject string) (event.StreamID, event.Rendition, error) {
	rest, ok := strings.CutPrefix(subject, subjectRoot+".close.")
	first, second, _ := strings.Cut(rest, ".")
	if !ok {
		return "", "", fmt.Errorf("%q is not a subject of closed files", subject)
	}
	id, err := event.ParseStreamID(first)
	if err != nil {
		return "", "", err
	}
	r, err := event.ParseRendition(second)
	return id, r, err
}

// receivers begins the subjects of receiver reports.
const (
	receivers    = subjectRoot + ".receiver."
	allReceivers = receivers + "*"
)

func receiverSubject(id event.StreamID) string { return receivers + string(id) }

func controlSubject(id event.StreamID, session string) string {
	return subjectRoot + ".control." + string(id) + "." + session
}

func telemetrySubject(id event.StreamID, session string) string {
	return subjectRoot + ".telemetry." + string(id) + "." + session
}

// serverTelemetrySubject is where seeds and edges report. Nobody from outside may write there, nor has a session with a dash.
func serverTelemetrySubject(id event.StreamID, session string) string {
	return telemetrySubject(id, serverMark+session)
}

const serverMark = "server-"

const allReports = subjectRoot + ".telemetry.*.*"

// originOfReport reads from a telemetry subject, of which the server lets a page use no other than its own, which stream a report
// is of, and whether a server of ours sent it.
func originOfReport(subject string) (id event.StreamID, server bool, err error) {
	rest, ok := strings.CutPrefix(subject, subjectRoot+".telemetry.")
	stream, session, _ := strings.Cut(rest, ".")
	if !ok {
		return "", false, fmt.Errorf("%q is not a subject of telemetry", subject)
	}
	id, err = event.ParseStreamID(stream)
	return id, strings.HasPrefix(session, serverMark), err
}

func sinkSubject(name string) string { return subjectRoot + ".sink." + name }

// ofToken and ofName stand in subjects for the stream and the session that a page's
// token names; the server puts them in (scoped signing keys, see auth.go).
const (
	ofToken event.StreamID = "{{tag(stream)}}" //nolint:gosec // a template, no credential
	ofName  string         = "{{name()}}"
)

func streamSubject(id event.StreamID) string { return subjectRoot + ".stream." + string(id) }

const allStreams = subjectRoot + ".stream.*"

func deadSubject(consumer string) string { return subjectRoot + ".dead." + consumer }

// streamOf reads the stream's id from a STREAM subject.
func streamOf(subject string) (event.StreamID, error) {
	id, ok := strings.CutPrefix(subject, subjectRoot+".stream.")
	if !ok {
		return "", fmt.Errorf("%q is not a subject of stream facts", subject)
	}
	return event.ParseStreamID(id)
}

// Headers besides those of event.Piece and of NATS itself.
const (
	headerTrace       = "Traceparent"        // of an entry
	headerDeadReason  = "Shoal-Dead-Reason"  // why the consumer gave up
	headerDeadError   = "Shoal-Dead-Error"   // the first error it met
	headerDeadSubject = "Shoal-Dead-Subject" // where the message came from
	headerDeadSeq     = "Shoal-Dead-Seq"     // and its sequence there
)

// What one page may have of the server. The server holds to these; how much a page may
// send in a second is bounded at its WebSocket (pages.go).
const (
	pageSubs    = 8
	pagePayload = 8 << 10
)

const (
	maxPayload = 5 << 20 // of one message, headers included; a piece is at most 4 MiB
	pullBytes  = 8 << 20 // what one follow may ask for at once; without it, a catch-up overruns the server's 64 MiB for a connection
	// pullMessages bounds the same in messages. The library makes a buffer of that
	// many: of a million, 8 MB for each follow, when only bytes are given.
	pullMessages = 256
	dedup        = 2 * time.Minute
	keepDead     = 7 * 24 * time.Hour
	deadBytes    = 256 << 20
	keepPeers    = 10 * time.Minute
	peersBytes   = 128 << 20
	// peersOfSwarm bounds the facts about one swarm, so that a crowd, or who plays one,
	// takes no room from the others.
	peersOfSwarm = 100_000

	keepTelemetry  = 24 * time.Hour
	telemetryBytes = 2 << 30
	// reportsOfSession bounds what one session may have kept: a day of one each 4 s.
	reportsOfSession = 21_600
	maxReportMessage = event.MaxReport + 1<<10
	sinkStates       = 16 // kept of each sink, for whoever looks into a failure
)

// Limits bounds what the bus keeps. The zero value means the defaults.
type Limits struct {
	// Window is the live window; PIECES keeps six times as long. Default 30 s.
	Window time.Duration
	// Piece is the shortest that pieces are on average, if that is less than 1/60 s:
	// with Window it bounds how many PIECES keeps of one rendition.
	Piece time.Duration
	// PiecesBytes bounds PIECES as a whole; the oldest go first. Default 4 GiB, or
	// half of what the server may store, if that is less.
	PiecesBytes int64
}

const (
	windowsKept = 6
	// shortestPiece is a picture's: where every picture is a key frame, every picture
	// is a piece, whatever length is aimed at.
	shortestPiece = time.Second / 60
)

func (l Limits) withDefaults(store int64) Limits {
	if l.Window <= 0 {
		l.Window = 30 * time.Second
	}
	if l.Piece <= 0 || l.Piece > shortestPiece {
		l.Piece = shortestPiece
	}
	if l.PiecesBytes <= 0 {
		l.PiecesBytes = 4 << 30
		if store > 0 {
			l.PiecesBytes = min(l.PiecesBytes, store/2)
		}
	}
	return l
}

// table returns every stream as this build wants it. Streams that key state are
// synced before they acknowledge (the server's SyncAlways); PIECES opts out.
func table(l Limits) []jetstream.StreamConfig {
	kept := windowsKept * l.Window
	pieces := jetstream.StreamConfig{
		Name:        streamPieces,
		Description: "Pieces of the live windows; the tail may be lost in a crash.",
		Subjects:    []string{subjectRoot + ".piece.*.*"},
		MaxAge:      kept,
		MaxBytes:    l.PiecesBytes,
		// Rounded up, so that it cuts what MaxAge would keep only of a publisher that
		// floods: others' pieces would have to make room for its own.
		MaxMsgsPerSubject: int64(kept/l.Piece) + 1,
		Duplicates:        min(dedup, kept),
		PersistMode:       jetstream.AsyncPersistMode,
	}
	manifest := jetstream.StreamConfig{
		Name:        streamManifest,
		Description: "Signed entries and close records, each kept for its own time.",
		Subjects:    []string{subjectRoot + ".manifest.*.*", allCloses},
		Duplicates:  dedup,
		AllowMsgTTL: true,
	}
	facts := jetstream.StreamConfig{
		Name:        streamStream,
		Description: "What happened to each stream, kept for good.",
		Subjects:    []string{allStreams},
		Duplicates:  dedup,
		DenyDelete:  true,
	}
	dead := jetstream.StreamConfig{
		Name:        streamDead,
		Description: "What consumers gave up on, with reason and first error.",
		Subjects:    []string{subjectRoot + ".dead.*"},
		Duplicates:  dedup,
		MaxAge:      keepDead,
		MaxBytes:    min(deadBytes, l.PiecesBytes/4+1),
	}
	peers := jetstream.StreamConfig{
		Name:              streamPeers,
		Description:       "Who joined, is in and left which swarm, as trackers learnt it.",
		Subjects:          []string{subjectRoot + ".peer.*.*"},
		Duplicates:        dedup,
		MaxAge:            keepPeers,
		MaxBytes:          min(peersBytes, l.PiecesBytes/8+1),
		MaxMsgsPerSubject: peersOfSwarm,
	}
	telemetry := jetstream.StreamConfig{
		Name:              streamTelemetry,
		Description:       "What viewers, seeds and edges report; the tail may be lost in a crash.",
		Subjects:          []string{allReports},
		MaxAge:            keepTelemetry,
		MaxBytes:          min(telemetryBytes, l.PiecesBytes/2+1),
		MaxMsgsPerSubject: reportsOfSession,
		MaxMsgSize:        maxReportMessage,
		// Nothing of it has an id: a report names itself (session and number).
		Duplicates:  time.Second,
		PersistMode: jetstream.AsyncPersistMode,
	}
	sinks := jetstream.StreamConfig{
		Name:              streamSinks,
		Description:       "How far each sink of telemetry is.",
		Subjects:          []string{sinkSubject("*")},
		MaxMsgsPerSubject: sinkStates,
		Duplicates:        dedup,
	}
	all := []jetstream.StreamConfig{pieces, manifest, facts, peers, dead, telemetry, sinks}
	for i := range all {
		all[i].Storage = jetstream.FileStorage
		all[i].Retention = jetstream.LimitsPolicy
		all[i].Discard = jetstream.DiscardOld
		all[i].MaxMsgSize = cmp.Or(all[i].MaxMsgSize, maxPayload)
		all[i].AllowDirect = true
		all[i].Replicas = 1
	}
	return all
}

// Provision creates the streams, or brings them to this build's table and limits.
func (b *Bus) Provision(ctx context.Context, l Limits) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	store, err := b.storeLimit(ctx)
	if err != nil {
		return err
	}
	for _, c := range table(l.withDefaults(store)) {
		if _, err := b.js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("provision stream %s: %w", c.Name, explain(err))
		}
	}
	return nil
}

// storeLimit is how many bytes the server lets us keep, 0 when it does not say.
func (b *Bus) storeLimit(ctx context.Context) (int64, error) {
	if b.server != nil {
		return b.server.maxStore, nil
	}
	info, err := b.js.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the account's limits: %w", explain(err))
	}
	return max(info.Limits.MaxStore, 0), nil
}

// consumerConfig is what every follow and read uses: ordered, unacknowledged, kept
// in the server's memory and forgotten soon after we are gone.
func consumerConfig(subject string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		FilterSubject:     subject,
		AckPolicy:         jetstream.AckNonePolicy,
		MaxDeliver:        1,
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		InactiveThreshold: time.Minute,
		MemoryStorage:     true,
		Replicas:          1,
	}
}
