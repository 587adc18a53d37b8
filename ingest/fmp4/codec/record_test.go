package codec_test

import (
	"encoding/hex"
	"testing"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
)

// sets cuts length-prefixed parameter sets out of a record, from at on.
func sets(b []byte, at, n int) (out [][]byte, end int) {
	for range n {
		size := int(b[at])<<8 | int(b[at+1])
		out = append(out, b[at+2:at+2+size])
		at += 2 + size
	}
	return out, at
}

// Records made of parameter sets are those that encoders make of them.
func TestMakeRecords(t *testing.T) {
	t.Parallel()
	for _, want := range []string{avcHigh, avc444} {
		b := unhex(t, want)
		sps, at := sets(b, 6, 1)
		pps, _ := sets(b, at+1, 1)
		got, err := codec.AVCRecord(sps, pps)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("AVC: %x, %v; want %s", got, err, want)
		}
	}
	b := unhex(t, hevcMain10)
	vps, at := sets(b, 26, 1)
	sps, at := sets(b, at+3, 1)
	pps, _ := sets(b, at+3, 1)
	got, err := codec.HEVCRecord(vps, sps, pps)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{23, 23 + 5 + len(vps[0]), 23 + 10 + len(vps[0]) + len(sps[0])} {
		b[i] |= 0x80 // ours says that its arrays are complete
	}
	if hex.EncodeToString(got) != hex.EncodeToString(b) {
		t.Errorf("HEVC: %x, want %x", got, b)
	}
	for _, want := range []string{av1Ten, av1Eight} {
		b := unhex(t, want)
		got, err := codec.AV1Record(b[4:], b[6:])
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("AV1: %x, %v; want %s", got, err, want)
		}
	}
}

// Parameter sets that are missing or cut short make no record.
func TestNoRecord(t *testing.T) {
	t.Parallel()
	set := [][]byte{{0x67, 100, 0, 10}}
	if _, err := codec.AVCRecord(nil, set); err == nil {
		t.Error("AVC without a sequence parameter set")
	}
	if _, err := codec.AVCRecord(set, set); err == nil {
		t.Error("AVC with a sequence parameter set that ends early")
	}
	if _, err := codec.HEVCRecord(set, nil, set); err == nil {
		t.Error("HEVC without a sequence parameter set")
	}
	if _, err := codec.HEVCRecord(set, set, set); err == nil {
		t.Error("HEVC with a sequence parameter set that ends early")
	}
	if _, err := codec.AV1Record(nil, []byte{0}); err == nil {
		t.Error("AV1 with a sequence header that ends early")
	}
}
