package publish

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

func TestWhatIsLookedAtGoesOnItsWay(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	want := bytes.Repeat([]byte("transport stream"), 200_000) // more than is looked at
	f := newFeed(ctx, bytes.NewReader(want))
	head := f.head()
	if len(head) < mostHead || len(head) >= mostHead+feedRead {
		t.Errorf("%d bytes are looked at", len(head))
	}
	go f.carry(head)
	r, err := f.sink()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d come out, %v", len(got), len(want), err)
	}
	<-f.ended
	if _, err := f.sink(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end there is %v", err)
	}
}

func TestTheInputWaitsForTheNextConnection(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, camera, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f := newFeed(ctx, in)
	go f.carry(nil)
	for _, words := range []string{"first", "second"} {
		r, err := f.sink()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := camera.WriteString(words); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(words))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != words {
			t.Fatalf("%q comes out, %v", got, err)
		}
		_ = r.Close() // as ffmpeg's end does
	}
	_ = camera.Close()
	r, err := f.sink()
	if err == nil { // the end of the input may come after it
		_, err = io.ReadFull(r, make([]byte, 1))
		_ = r.Close()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("after the end there is %v", err)
	}
}

func TestALittleInputIsEnough(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, camera, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f := newFeed(ctx, in)
	if _, err := camera.WriteString("little"); err != nil {
		t.Fatal(err)
	}
	if head := f.head(); string(head) != "little" { // and nobody waits for a MiB
		t.Errorf("%q is looked at", head)
	}
	_ = camera.Close()
}
