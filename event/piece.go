package event

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// MaxPiece is the most bytes a piece may have.
const MaxPiece = 4 << 20

// BlockSize is the unit in which pieces are hashed, transferred and verified.
const BlockSize = 16 << 10

// Piece is one fMP4 chunk (moof and mdat) as ingest cut it: what is published,
// signed and played.
type Piece struct {
	Address
	Segment  uint64 // index of its segment within the epoch, from 0
	Key      bool   // a decoder can start here
	PTS      Ticks  // presentation time of its first sample, from the epoch's zero
	Duration Ticks  // how long it plays
	Target   Ticks  // upper bound of Duration, fixed within a segment: LL-HLS PART-TARGET
	Init     Root   // root of the init segment it needs
	Root     Root   // of Data, as ingest cut it: what the packager signs
	Size     int    // of Data, in bytes; known even where Data was not asked for
	Arrived  time.Time
	// Arrived is when ingest had its first sample, Received when it had its last:
	// both to the millisecond.
	Received time.Time
	Trace    string // W3C traceparent, empty when not traced
	Data     []byte
}

// Headers of a piece's message. They carry what the services decide by, so that
// no service parses media to route it.
const (
	headerEpoch    = "Shoal-Epoch"
	headerN        = "Shoal-N"
	headerSegment  = "Shoal-Segment"
	headerKey      = "Shoal-Key"
	headerPTS      = "Shoal-Pts"
	headerDuration = "Shoal-Duration"
	headerTarget   = "Shoal-Target"
	headerInit     = "Shoal-Init"
	headerRoot     = "Shoal-Root"
	headerArrived  = "Shoal-Arrived"
	headerReceived = "Shoal-Received"
	headerTrace    = "Traceparent"
)

// MessageID is the piece's name for the bus's duplicate detection.
func (a Address) MessageID() string { return a.String() }

// Headers returns the message headers that describe p, its data apart.
func (p *Piece) Headers() map[string]string {
	key := "0"
	if p.Key {
		key = "1"
	}
	h := map[string]string{
		headerEpoch:    strconv.FormatInt(int64(p.Epoch), 10),
		headerN:        strconv.FormatUint(p.N, 10),
		headerSegment:  strconv.FormatUint(p.Segment, 10),
		headerKey:      key,
		headerPTS:      strconv.FormatInt(int64(p.PTS), 10),
		headerDuration: strconv.FormatInt(int64(p.Duration), 10),
		headerTarget:   strconv.FormatInt(int64(p.Target), 10),
		headerInit:     p.Init.String(),
		headerRoot:     p.Root.String(),
		headerArrived:  strconv.FormatInt(p.Arrived.UnixMilli(), 10),
		headerReceived: strconv.FormatInt(p.Received.UnixMilli(), 10),
	}
	if p.Trace != "" {
		h[headerTrace] = p.Trace
	}
	return h
}

// PieceFromHeaders rebuilds a piece from the subject's stream and rendition, its
// message headers and its payload, which it keeps. Unknown headers are ignored; a
// missing or malformed one, or a payload over MaxPiece, is an error.
func PieceFromHeaders(id StreamID, r Rendition, get func(string) string, data []byte) (*Piece, error) {
	if len(data) > MaxPiece {
		return nil, fmt.Errorf("a piece of %d bytes: at most %d are allowed", len(data), MaxPiece)
	}
	var errs []error
	number := func(name string) int64 {
		v, err := strconv.ParseInt(get(name), 10, 64)
		if err == nil && v < 0 && name != headerPTS {
			err = errors.New("is negative")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("header %s: %w", name, err))
		}
		return v
	}
	p := &Piece{
		Address: Address{Stream: id, Rendition: r, Position: Position{
			Epoch: Epoch(number(headerEpoch)),
			N:     uint64(number(headerN)),
		}},
		Segment:  uint64(number(headerSegment)),
		PTS:      Ticks(number(headerPTS)),
		Duration: Ticks(number(headerDuration)),
		Target:   Ticks(number(headerTarget)),
		Arrived:  time.UnixMilli(number(headerArrived)),
		Received: time.UnixMilli(number(headerReceived)),
		Trace:    get(headerTrace),
		Size:     len(data),
		Data:     data,
	}
	switch get(headerKey) {
	case "0":
	case "1":
		p.Key = true
	default:
		errs = append(errs, fmt.Errorf("header %s: must be 0 or 1", headerKey))
	}
	if err := p.Init.UnmarshalText([]byte(get(headerInit))); err != nil {
		errs = append(errs, fmt.Errorf("header %s: %w", headerInit, err))
	}
	if err := p.Root.UnmarshalText([]byte(get(headerRoot))); err != nil {
		errs = append(errs, fmt.Errorf("header %s: %w", headerRoot, err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read piece headers: %w", err)
	}
	return p, nil
}
