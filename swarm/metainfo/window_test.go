package metainfo_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/shoalcast/shoal/swarm/metainfo"
)

func TestAnArchiveFilesTorrentIsPinned(t *testing.T) {
	b := metainfo.NewBuilder()
	for i := range 100_000 {
		_, _ = b.Write([]byte{byte(i)})
	}
	w := b.Window("live-v0-1790000000000-0.mp4")
	if want := "a65e30565694d890ae286a28d28b4e310248f619"; w.InfoHash.String() != want || w.PieceLength != 64<<10 {
		t.Errorf("infohash %s, piece length %d: others have derived %s", w.InfoHash, w.PieceLength, want)
	}
	got, err := metainfo.ParseTorrent(w.Torrent([]string{"http://127.0.0.1/announce"}, []string{"http://127.0.0.1/f.mp4"}))
	if err != nil {
		t.Fatal(err)
	}
	if got.InfoHash != w.InfoHash || got.Name != w.Name || got.Length != 100_000 || len(got.Pieces) != 40 || got.Private ||
		got.Trackers[0] != "http://127.0.0.1/announce" || got.WebSeeds[0] != "http://127.0.0.1/f.mp4" {
		t.Errorf("read back as %+v", got)
	}
}

// However the bytes come, and whether the builder was put down in between, the hashes
// are those of the whole file.
func TestAFileIsHashedAsItComes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	file := make([]byte, 66<<20) // beyond the limit of the shortest pieces
	for i := 0; i < len(file); i += 4096 {
		file[i] = byte(rng.Uint32())
	}
	b := metainfo.NewBuilder()
	for rest := file; len(rest) > 0; {
		n := min(len(rest), rng.IntN(3<<20))
		_, _ = b.Write(rest[:n])
		rest = rest[n:]
		other := b.Clone()
		_, _ = other.Write(make([]byte, 300<<10)) // goes its own way
		state, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		b = new(metainfo.Builder)
		if err := json.Unmarshal(state, b); err != nil {
			t.Fatal(err)
		}
	}
	w := b.Window("f.mp4")
	if w.Size != int64(len(file)) || [32]byte(w.SHA256) != sha256.Sum256(file) {
		t.Fatalf("size %d, digest %s", w.Size, w.SHA256)
	}
	got, err := metainfo.ParseInfo(w.Info)
	if err != nil {
		t.Fatal(err)
	}
	if got.PieceLength != 256<<10 {
		t.Errorf("a piece length of %d", got.PieceLength)
	}
	for i := 0; i*256<<10 < len(file); i++ {
		want := sha1.Sum(file[i*256<<10 : min(len(file), (i+1)*256<<10)])
		if !bytes.Equal(got.Pieces[20*i:20*i+20], want[:]) {
			t.Fatalf("piece %d has another digest", i)
		}
	}
}

func TestAStateThatDoesNotFitIsRefused(t *testing.T) {
	b := metainfo.NewBuilder()
	_, _ = b.Write(make([]byte, 70<<10))
	good, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		`"size":71680`: `"size":7`, `"length":65536`: `"length":1`, `"sha256":"`: `"sha256":"AAAA`, `"sha1":"`: `"sha1":"AAAA`,
	} {
		bad := bytes.Replace(good, []byte(old), []byte(changed), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s is not in %s", old, good)
		}
		if err := json.Unmarshal(bad, new(metainfo.Builder)); err == nil {
			t.Errorf("with %s it was taken", changed)
		}
	}
}

func TestPiecesGrowWithTheFile(t *testing.T) {
	for size, want := range map[int64]int64{
		1: 64 << 10, 64 << 20: 64 << 10, 64<<20 + 1: 256 << 10, 512 << 20: 256 << 10, 512<<20 + 1: 1 << 20,
		4<<30 + 1: 4 << 20, 32<<30 + 1: 16 << 20, 1 << 50: 16 << 20,
	} {
		if got := metainfo.PieceLength(size); got != want {
			t.Errorf("%d bytes: %d, want %d", size, got, want)
		}
	}
}

func TestHostileTorrentsAreRefused(t *testing.T) {
	info := func(name string) string {
		return "d6:lengthi1e4:name" + name + "12:piece lengthi65536e6:pieces20:aaaaaaaaaaaaaaaaaaaae"
	}
	if _, err := metainfo.ParseInfo([]byte(info("5:a.mp4"))); err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string]string{
		"a path":                  info("4:../a"),
		"a folder up":             info("2:.."),
		"a drive":                 info("4:c:\\a"),
		"no name":                 info("0:"),
		"a name that is no UTF-8": info("1:\xff"),
		"a string without end":    "d4:info999999999:x",
		"a negative string":       "d4:name-1:e",
		"deep nesting":            string(bytes.Repeat([]byte("l"), 1<<20)),
		"keys out of order":       "d4:name1:a6:lengthi1e12:piece lengthi65536e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
		"a key twice":             "d6:lengthi1e6:lengthi1ee",
		"many files":              "d5:filesle6:lengthi1e4:name1:a12:piece lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
		"too few digests":         "d6:lengthi65537e4:name1:a12:piece lengthi65536e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
		"no length":               "d4:name1:a12:piece lengthi65536e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
		"a number over 2^63":      "d6:lengthi99999999999999999999ee",
		"something behind":        info("5:a.mp4") + "e",
		"nothing":                 "",
	} {
		if got, err := metainfo.ParseInfo([]byte(b)); err == nil {
			t.Errorf("%s was read as %+v", what, got)
		}
		if got, err := metainfo.ParseTorrent([]byte("d4:info" + b + "e")); err == nil {
			t.Errorf("%s was read as %+v", what, got)
		}
	}
}

func FuzzTorrent(f *testing.F) {
	b := metainfo.NewBuilder()
	_, _ = b.Write([]byte("a short file"))
	f.Add(b.Window("a.mp4").Torrent([]string{"udp://t.example:1"}, []string{"http://w.example/a.mp4"}))
	f.Add([]byte("d8:url-list18:http://w.example/x4:infodee"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := metainfo.ParseTorrent(data)
		if err != nil {
			return
		}
		again, err := metainfo.ParseTorrent(metainfo.File(got.Info, got.Trackers, got.WebSeeds))
		if err != nil || again.InfoHash != got.InfoHash || again.Name != got.Name || len(again.Trackers) != len(got.Trackers) {
			t.Errorf("%+v is read back as %+v, %v", got, again, err)
		}
	})
}

func FuzzMagnet(f *testing.F) {
	f.Add("magnet:?xt=urn:btih:81da1cc93ca1c38ba5bbeb0b4fd2a4770e7b9c92&dn=live.shoal&tr=udp%3A%2F%2Ft.example%3A1&xs=http%3A%2F%2Fw.example")
	f.Add("magnet:?xt=urn:btih:QHNBZSJ4UHBYXJN35MFU7UVEO4HHXHES&x.sid=cmhiu2p6iapqnmg3fwq2rucvocfrinwk")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := metainfo.ParseMagnet(s)
		if err != nil {
			return
		}
		text := l.Magnet()
		again, err := metainfo.ParseMagnet(text)
		if len(text) <= 16<<10 && (err != nil || again.Magnet() != text) {
			t.Errorf("%q is read back as %+v, %v", text, again, err)
		}
	})
}
