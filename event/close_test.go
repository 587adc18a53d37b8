package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/shoalcast/shoal/event"
)

func TestAClosedFileIsWrittenAndReadBack(t *testing.T) {
	f := event.FileClosed{Envelope: json.RawMessage(`{"payloadType":"x"}`), Resume: json.RawMessage(`{"whole":{"last":299}}`)}
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "close_v1_file_closed.golden", b)
	got, err := event.DecodeFileClosed(b)
	if err != nil || !bytes.Equal(got.Envelope, f.Envelope) || !bytes.Equal(got.Resume, f.Resume) {
		t.Errorf("read back as %+v, %v", got, err)
	}
	var unknown *event.UnknownFactError
	if _, err := event.DecodeFileClosed([]byte(`{"v":2}`)); !errors.As(err, &unknown) {
		t.Errorf("a newer version: %v", err)
	}
	if _, err := event.DecodeFileClosed([]byte(`nonsense`)); err == nil {
		t.Error("nonsense was read")
	}
}
