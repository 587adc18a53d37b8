package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestOnlyPiecesMayBeLostAndOnlyOldPiecesAreDropped(t *testing.T) {
	for _, c := range table(Limits{Window: 30 * time.Second}.withDefaults(0)) {
		if async := c.PersistMode == jetstream.AsyncPersistMode; async != (c.Name == streamPieces) {
			t.Errorf("%s: asynchronous is %v", c.Name, async)
		}
		bounded := c.MaxAge > 0 && c.MaxBytes > 0
		if keyed := c.Name == streamManifest || c.Name == streamStream; keyed == bounded || c.Discard != jetstream.DiscardOld {
			t.Errorf("%s keeps %v and %d bytes", c.Name, c.MaxAge, c.MaxBytes)
		}
		if c.Name == streamPieces && (c.MaxAge != 3*time.Minute || c.MaxMsgsPerSubject < 1800) {
			t.Errorf("%s keeps %v and %d pieces of a rendition", c.Name, c.MaxAge, c.MaxMsgsPerSubject)
		}
	}
}
