package manifest_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/shoalcast/shoal/manifest"
)

// crafted is testdata/signatures.json: signatures that verifiers differ about, and documents
// of keys that must not be used. Both implementations judge them alike.
type crafted struct {
	Signatures []struct {
		Name    string `json:"name"`
		Key     string `json:"key"`
		Message string `json:"message"`
		Sig     string `json:"sig"`
		Genuine bool   `json:"genuine"`
	} `json:"signatures"`
	Documents struct {
		Genesis manifest.Envelope `json:"genesis"`
		Session manifest.Envelope `json:"session"`
		Refused []struct {
			Name     string            `json:"name"`
			Envelope manifest.Envelope `json:"envelope"`
		} `json:"refused"`
	} `json:"documents"`
}

func readCrafted(t *testing.T) (c crafted) {
	b, err := os.ReadFile("testdata/signatures.json")
	must(t, err)
	must(t, json.Unmarshal(b, &c))
	return c
}

func TestSignaturesThatVerifiersDifferAboutAreJudgedByTheRule(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		must(t, err)
		return b
	}
	for _, v := range readCrafted(t).Signatures {
		if got := manifest.SignedBy(unhex(v.Key), unhex(v.Message), unhex(v.Sig)); got != v.Genuine {
			t.Errorf("%s: %t", v.Name, got)
		}
	}
}

func TestAKeyThatAnybodySignsByIsRefusedWhereItEnters(t *testing.T) {
	c := readCrafted(t)
	trust, err := manifest.NewTrust(c.Documents.Genesis)
	must(t, err)
	must(t, trust.AddSession(c.Documents.Session)) // what is beside it is in order
	for _, d := range c.Documents.Refused {
		var err error
		switch d.Envelope.PayloadType {
		case c.Documents.Genesis.PayloadType:
			_, err = manifest.NewTrust(d.Envelope)
		case c.Documents.Session.PayloadType:
			err = trust.AddSession(d.Envelope)
		default:
			err = trust.AddRotation(d.Envelope)
		}
		if !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}
