package swarm

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

type verificationVectors struct {
	Stream  event.StreamID             `json:"stream"`
	Genesis json.RawMessage            `json:"genesis"`
	Records map[string]json.RawMessage `json:"records"`
	Heads   map[string]string          `json:"heads"` // Head frames of form 0 in hex
	Piece   string                     `json:"piece"` // data of the piece of head "film 1", base64
	Cases   []verificationCase         `json:"cases"`
}

// A verificationCase begins with a verifier that knows the genesis.
type verificationCase struct {
	What  string             `json:"what"`
	Steps []verificationStep `json:"steps"`
}

type verificationStep struct {
	Record string     `json:"record,omitzero"` // fresh, known, refused
	Head   string     `json:"head,omitzero"`   // genuine, unknown, useless, false
	Block  *blockStep `json:"block,omitzero"`  // genuine, false
	Want   string     `json:"want"`
}

// blockStep is part of the piece, offered as a block of head "film 1".
type blockStep struct {
	Index int  `json:"index"`
	From  int  `json:"from"`
	To    int  `json:"to"`
	Flip  *int `json:"flip,omitzero"` // byte of it that is XORed with 1
}

// verdict names what OpenHead says.
func verdict(err error) string {
	switch {
	case err == nil:
		return "genuine"
	case errors.Is(err, ErrNeedRecords):
		return "unknown"
	case errors.Is(err, ErrStale):
		return "useless"
	}
	return "false"
}

func makeVerificationVectors(t *testing.T) verificationVectors {
	a := newAuthor(t, 1)
	v := verificationVectors{
		Stream: a.trust.ID(), Genesis: a.genesis.JSON(), Records: map[string]json.RawMessage{}, Heads: map[string]string{},
		Piece: base64.StdEncoding.EncodeToString(a.data(1)),
	}
	v.Records["session 1"] = a.record.JSON()
	v.Records["session 2"] = a.lend(a.root, 2, authorKey(9), event.Position{Epoch: authorEpoch, N: 4}).JSON()
	v.Records["another session 1"] = a.lend(a.root, 1, authorKey(9), event.Position{}).JSON()
	v.Records["a forged session 2"] = a.lend(authorKey(60), 2, authorKey(9), event.Position{}).JSON()
	rotation, err := manifest.SignRotation(a.next, manifest.Rotation{
		Stream: a.trust.ID(), Serial: 1, Root: authorKey(2)[32:], Next: event.Digest{1}, Sessions: 1,
	})
	a.must(err)
	v.Records["rotation 1"] = rotation.JSON()
	v.Records["session 2 by the successor"] = a.lend(a.next, 2, authorKey(9), event.Position{Epoch: authorEpoch * 2}).JSON()

	head := func(name string, h *Head) {
		frames, err := new(Encoder).Encode(nil, h)
		a.must(err)
		v.Heads[name] = hex.EncodeToString(frames[0])
	}
	film := a.film(6)
	known := []verificationStep{{Record: "session 1", Want: "fresh"}}
	whole := verificationCase{What: "the film in some order", Steps: slices.Clone(known)}
	for n, h := range film {
		head("film "+string(rune('0'+n)), h)
	}
	for _, n := range "204315" {
		whole.Steps = append(whole.Steps, verificationStep{Head: "film " + string(n), Want: "genuine"})
	}
	whole.Steps = append(whole.Steps, verificationStep{Head: "film 3", Want: "genuine"})
	v.Cases = append(v.Cases, whole)
	said := lies(a, film)
	for _, what := range slices.Sorted(maps.Keys(said)) {
		head(what, said[what].h)
		want := "false"
		switch cause := said[what].want; {
		case errors.Is(cause, ErrNeedRecords):
			want = "unknown"
		case errors.Is(cause, manifest.ErrFork), errors.Is(cause, manifest.ErrLink):
			want = "useless"
		}
		v.Cases = append(v.Cases, verificationCase{What: what, Steps: append(slices.Clone(whole.Steps), verificationStep{Head: what, Want: want})})
	}
	block := func(index, from, to, flip int, want string) verificationStep {
		b := &blockStep{Index: index, From: from, To: to}
		if flip >= 0 {
			b.Flip = &flip
		}
		return verificationStep{Block: b, Want: want}
	}
	const size = event.BlockSize
	v.Cases = append(
		v.Cases,
		verificationCase{"blocks", append(
			slices.Clone(known), verificationStep{Head: "film 1", Want: "genuine"},
			block(0, 0, size, -1, "genuine"), block(1, size, 2*size, -1, "genuine"), block(2, 2*size, 2*size+100, -1, "genuine"),
			block(0, 0, size, 0, "false"), block(2, 2*size, 2*size+100, 99, "false"), block(1, 0, size, -1, "false"),
			block(0, 0, size-1, -1, "false"), block(2, 2*size, 2*size+99, -1, "false"), block(3, 0, size, -1, "false"), block(2, 0, 0, -1, "false"),
		)},
		verificationCase{"a record that comes later", []verificationStep{
			{Head: "film 1", Want: "unknown"}, {Record: "session 1", Want: "fresh"}, {Record: "session 1", Want: "known"}, {Head: "film 1", Want: "genuine"},
		}},
		verificationCase{"a session is superseded", append(
			slices.Clone(known), verificationStep{Head: "film 4", Want: "genuine"}, verificationStep{Record: "session 2", Want: "fresh"},
			verificationStep{Head: "film 2", Want: "genuine"}, verificationStep{Head: "film 4", Want: "false"}, verificationStep{Head: "film 5", Want: "false"},
		)},
		verificationCase{"records that are refused", append(
			slices.Clone(known), verificationStep{Record: "another session 1", Want: "refused"}, verificationStep{Record: "a forged session 2", Want: "refused"},
			verificationStep{Record: "session 2 by the successor", Want: "refused"}, verificationStep{Record: "rotation 1", Want: "fresh"},
			verificationStep{Record: "session 2", Want: "refused"}, verificationStep{Record: "session 2 by the successor", Want: "fresh"},
		)},
	)
	return v
}

func TestVectorsOfVerificationHold(t *testing.T) {
	var v verificationVectors
	vectors(t, "verification.json", makeVerificationVectors(t), &v)
	piece, err := base64.StdEncoding.DecodeString(v.Piece)
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := manifest.ParseEnvelope(v.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Cases {
		trust, err := manifest.NewTrust(genesis)
		if err != nil || trust.ID() != v.Stream {
			t.Fatal(err)
		}
		verifier := NewTrusted(trust)
		heads := map[string]*Head{}
		for i, s := range c.Steps {
			got := ""
			switch {
			case s.Record != "":
				fresh, err := verifier.AddRecord(v.Records[s.Record])
				got = map[bool]string{true: "fresh", false: "known"}[fresh]
				if err != nil {
					got = "refused"
				}
			case s.Head != "":
				h := headOfHex(t, v.Heads[s.Head])
				heads[s.Head] = h
				got = verdict(verifier.OpenHead(h))
			case s.Block != nil:
				data := slices.Clone(piece[s.Block.From:s.Block.To])
				if s.Block.Flip != nil {
					data[*s.Block.Flip] ^= 1
				}
				got = map[bool]string{true: "genuine", false: "false"}[verifier.Block(heads["film 1"], s.Block.Index, data)]
			}
			if got != s.Want {
				t.Errorf("%s, step %d: %s, want %s", c.What, i, got, s.Want)
			}
		}
	}
}

func headOfHex(t *testing.T, text string) *Head {
	t.Helper()
	frame, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := new(Decoder).Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*Head)
}
