package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestOnlyPiecesAndReportsMayBeLostAndOnlyWhatNobodyCountsOnIsDropped(t *testing.T) {
	for _, c := range table(Limits{Window: 30 * time.Second}.withDefaults(0)) {
		if async := c.PersistMode == jetstream.AsyncPersistMode; async != (c.Name == streamPieces || c.Name == streamTelemetry) {
			t.Errorf("%s: asynchronous is %v", c.Name, async)
		}
		bounded := c.MaxAge > 0 && c.MaxBytes > 0
		if c.Name == streamSinks {
			bounded = c.MaxMsgsPerSubject == 0
		}
		if keyed := c.Name == streamManifest || c.Name == streamStream || c.Name == streamSinks; keyed == bounded || c.Discard != jetstream.DiscardOld {
			t.Errorf("%s keeps %v and %d bytes", c.Name, c.MaxAge, c.MaxBytes)
		}
	}
}

// Where every picture is a key frame, every picture is a piece.
func TestSixWindowsOfTheShortestPiecesAreKept(t *testing.T) {
	pieces := table(Limits{Window: 30 * time.Second, Piece: 200 * time.Millisecond}.withDefaults(0))[0]
	if pieces.Name != streamPieces || pieces.MaxAge != 3*time.Minute || pieces.MaxMsgsPerSubject < 180*60 {
		t.Errorf("%s keeps %v and %d pieces of a rendition", pieces.Name, pieces.MaxAge, pieces.MaxMsgsPerSubject)
	}
}
