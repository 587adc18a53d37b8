package event_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
)

// Whatever is read as a fact is written and read again as the same fact.
func FuzzDecodeStreamFact(f *testing.F) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fact, err := event.DecodeStreamFact(b)
		if err != nil {
			return
		}
		first, err := event.EncodeStreamFact(fact)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", b, err)
		}
		again, err := event.DecodeStreamFact(first)
		if err != nil {
			t.Fatalf("%q cannot be read again: %v", first, err)
		}
		second, err := event.EncodeStreamFact(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q became %q: %v", first, second, err)
		}
		var s event.StreamState
		s.Apply(1, fact)
	})
}

// Headers of a piece as lines "name: value": what is accepted survives a round trip.
func FuzzPieceFromHeaders(f *testing.F) {
	b, err := os.ReadFile("testdata/piece_v1_headers.golden")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b), []byte("moof"))
	f.Add("Shoal-Epoch: 1\nShoal-N: -1", []byte{})
	f.Fuzz(func(t *testing.T, lines string, data []byte) {
		h := map[string]string{}
		for line := range strings.Lines(lines) {
			k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			h[k] = v
		}
		p, err := event.PieceFromHeaders("id", "v0", func(k string) string { return h[k] }, data)
		if err != nil {
			return
		}
		again := p.Headers()
		q, err := event.PieceFromHeaders("id", "v0", func(k string) string { return again[k] }, data)
		if err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("%+v became %+v: %v", p, q, err)
		}
	})
}
