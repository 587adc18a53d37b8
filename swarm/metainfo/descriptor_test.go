package metainfo_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

var update = flag.Bool("update", false, "write the vectors anew")

func newGenesis(t *testing.T) manifest.Envelope {
	t.Helper()
	root := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	next := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32)).Public().(ed25519.PublicKey)
	genesis, err := manifest.SignGenesis(root, "live", next)
	if err != nil {
		t.Fatal(err)
	}
	return genesis
}

func newDescriptor(t *testing.T) metainfo.Descriptor {
	t.Helper()
	d, err := metainfo.NewDescriptor(newGenesis(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEverybodyMakesTheSameDescriptor(t *testing.T) {
	d, e := newDescriptor(t), newDescriptor(t)
	// Pinned: a change of one byte would split every stream's peers.
	if want := "81da1cc93ca1c38ba5bbeb0b4fd2a4770e7b9c92"; d.InfoHash.String() != want {
		t.Errorf("the infohash is %s, want %s", d.InfoHash, want)
	}
	if d.InfoHash != e.InfoHash || !bytes.Equal(d.Content, newGenesis(t).JSON()) {
		t.Error("two descriptors of one genesis differ")
	}
	if !bytes.Contains(d.Info, []byte("7:privatei1e")) || !bytes.Contains(d.Info, []byte("4:name10:live.shoal")) {
		t.Errorf("info is %q", d.Info)
	}
}

func TestAForgedGenesisMakesNoDescriptor(t *testing.T) {
	genesis := newGenesis(t)
	genesis.Sig[3] ^= 1
	if _, err := metainfo.NewDescriptor(genesis); err == nil {
		t.Error("a descriptor was made")
	}
}

func TestAMagnetLinkCarriesTheStream(t *testing.T) {
	d := newDescriptor(t)
	page := "https://live.example.org/live/live?a=1&b=2"
	text := d.Magnet([]string{"udp://tracker.example.org:6969", "wss://live.example.org/announce"}, page)
	l, err := metainfo.ParseMagnet(text)
	if err != nil {
		t.Fatal(err)
	}
	if l.InfoHash != d.InfoHash || l.Stream != d.Stream || l.Source != page || l.Name != "live.shoal" ||
		strings.Join(l.Trackers, " ") != "udp://tracker.example.org:6969 wss://live.example.org/announce" {
		t.Errorf("%s was read as %+v", text, l)
	}
}

func TestOthersMagnetLinksAreRead(t *testing.T) {
	d := newDescriptor(t)
	b32 := base32.StdEncoding.EncodeToString(d.InfoHash[:])
	for _, s := range []string{
		"magnet:?xt=urn:btih:" + strings.ToUpper(d.InfoHash.String()),
		"MAGNET:?dn=a+b&xt=urn:btih:" + strings.ToLower(b32),
		"magnet:?xt=urn:btmh:1220aa&xt=urn:btih:" + b32 + "&tr=gopher%3A%2F%2Fx&x.pe=1.2.3.4:5&xs=file:///etc/passwd",
	} {
		l, err := metainfo.ParseMagnet(s)
		if err != nil || l.InfoHash != d.InfoHash || len(l.Trackers) > 0 || l.Source != "" {
			t.Errorf("%s: %+v, %v", s, l, err)
		}
	}
	for _, s := range []string{
		"", "magnet:", "magnet:?dn=x", "http://example.org", "magnet:?xt=urn:btih:xyz",
		"magnet:?xt=urn:btih:" + strings.Repeat("0", 41), "magnet:?%zz",
		"magnet:?xt=urn:btih:" + strings.Repeat("0", 40) + "&xt=urn:btih:" + strings.Repeat("1", 40),
		"magnet:?xt=urn:btih:" + strings.Repeat("0", 40) + "&x.sid=nobody",
		"magnet:?xt=urn:btih:" + strings.Repeat("0", 40) + "&dn=" + strings.Repeat("x", 20_000),
	} {
		if l, err := metainfo.ParseMagnet(s); err == nil {
			t.Errorf("%.60s was read as %+v", s, l)
		}
	}
}

// The vectors are for every implementation: one that makes another infohash meets nobody.
func TestDescriptorsAreAsTheVectorsSay(t *testing.T) {
	var made []descriptorVector
	for i, name := range []event.StreamName{"live", "a", "camera-2-of-the-north-side"} {
		root := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(10 + i)}, 32))
		next := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(20 + i)}, 32)).Public().(ed25519.PublicKey)
		genesis, err := manifest.SignGenesis(root, name, next)
		if err != nil {
			t.Fatal(err)
		}
		d, err := metainfo.NewDescriptor(genesis)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, descriptorVector{Genesis: string(d.Content), Info: hex.EncodeToString(d.Info), InfoHash: d.InfoHash.String()})
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	path := filepath.Join("testdata", "descriptor.json")
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stands, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stands, text) {
		t.Errorf("%s differs from what is made now: %s", path, text)
	}
}

// descriptorVector is a genesis envelope as JSON, and what must be made of it.
type descriptorVector struct {
	Genesis  string `json:"genesis"`
	Info     string `json:"info"`
	InfoHash string `json:"infohash"`
}
