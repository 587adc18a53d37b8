package hls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	parts   = 5 // of a segment
	partDur = event.Ticks(18_000)
	epoch   = event.Epoch(1_700_000_000_000)
)

var initData = []byte("init segment")

// piece makes piece n of a camera with a keyframe each second.
func piece(n int) Piece {
	data := fmt.Appendf(nil, "%0*d", 100+n%7, n)
	e := manifest.Entry{
		V: 1, R: event.Source, Epoch: epoch, N: uint64(n), MSN: uint64(n / parts), Part: uint64(n % parts),
		At: int64(epoch) + int64(n)*200, PTS: event.Ticks(n) * partDur, Dur: partDur,
		Size: int64(len(data)), Root: manifest.RootOf(data),
	}
	if e.Part == 0 {
		e.Key, e.Target, e.Init = true, partDur, manifest.RootOf(initData)
	}
	return Piece{Entry: e, Data: data}
}

func lost(n int) Piece {
	p := piece(n)
	p.Data = nil
	return p
}

// served is a server in a test.
type served struct {
	*Server
	t    *testing.T
	base string
	stop func() error
}

func serve(t *testing.T, o Options) *served {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Name, o.Rendition, o.Page = "cam", event.Source, "http://example.org/live/cam"
	s := &served{Server: New(l, o), t: t}
	s.base = strings.TrimSuffix(s.Playlist(), "/index.m3u8")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func (s *served) add(pieces ...Piece) {
	s.t.Helper()
	for _, p := range pieces {
		if err := s.Add(p, Init{Data: initData, Codecs: "avc1.42c01e", Width: 320, Height: 180}); err != nil {
			s.t.Error(err)
		}
	}
}

// send adds pieces from to to, the last left out.
func (s *served) send(from, to int) {
	s.t.Helper()
	for n := from; n < to; n++ {
		s.add(piece(n))
	}
}

func fetch(method, url string) (status int, header http.Header, body string, err error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, nil, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(b), err
}

func (s *served) want(path string, status int) (http.Header, string) {
	s.t.Helper()
	got, header, body, err := fetch(http.MethodGet, s.base+path)
	if err != nil || got != status {
		s.t.Fatalf("%s: %d %v, want %d\n%s", path, got, err, status, body)
	}
	return header, body
}

type answer struct {
	status int
	body   string
	err    error
}

// ask begins a request and returns once it is held with count-1 others.
func (s *served) ask(path string, count int) <-chan answer {
	s.t.Helper()
	out := make(chan answer, 1)
	go func() {
		status, _, body, err := fetch(http.MethodGet, s.base+path)
		out <- answer{status, body, err}
	}()
	deadline, tick := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		held := s.held
		s.mu.Unlock()
		if held == count {
			return out
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("%s: %d requests are held, want %d", path, held, count)
		}
	}
}

func pieceURL(n int) string { return fmt.Sprintf("/v0/%d/%d.m4s", epoch, n) }

func TestPlayersGetThePlaylistOfTheOrigin(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 33)
	var entries []manifest.Entry
	for n := range 33 {
		entries = append(entries, piece(n).Entry)
	}
	v := manifest.View{Name: "cam", Rendition: event.Source, Entries: entries}
	header, body := s.want("/v0/index.m3u8", 200)
	if body != string(manifest.MediaPlaylist(v, manifest.MediaOptions{})) {
		t.Errorf("the playlist is\n%s", body)
	}
	if header.Get("Access-Control-Allow-Origin") != "*" || header.Get("Content-Type") != typePlaylist || header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", header)
	}
	if _, body := s.want("/v0/index.m3u8?_HLS_skip=YES", 200); body != string(manifest.MediaPlaylist(v, manifest.MediaOptions{Skip: true})) {
		t.Errorf("the delta update is\n%s", body)
	}
	if _, body := s.want("/index.m3u8", 200); !strings.Contains(body, "\nv0/index.m3u8\n") || !strings.Contains(body, `CODECS="avc1.42c01e",RESOLUTION=320x180`) {
		t.Errorf("the multivariant playlist is\n%s", body)
	}
	if _, body := s.want("/v0/init/"+manifest.RootOf(initData).String()+".mp4", 200); body != string(initData) {
		t.Errorf("the init segment is %q", body)
	}
	var whole string
	for n := 5; n < 10; n++ {
		whole += string(piece(n).Data)
		if _, body := s.want(pieceURL(n), 200); body != string(piece(n).Data) {
			t.Errorf("piece %d is %q", n, body)
		}
	}
	if _, body := s.want("/v0/seg/1.m4s", 200); body != whole {
		t.Errorf("segment 1 is %q", body)
	}
	if _, body := s.want("/", 200); !strings.Contains(body, s.Playlist()) || !strings.Contains(body, "33 verified") {
		t.Errorf("the landing text is %q", body)
	}
}

func TestARangeMayCrossPieces(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 6)
	whole := string(bytes.Join([][]byte{piece(0).Data, piece(1).Data, piece(2).Data, piece(3).Data, piece(4).Data}, nil))
	for from := 0; from < len(whole); from += 37 {
		to := min(from+150, len(whole)-1)
		req, _ := http.NewRequest(http.MethodGet, s.base+"/v0/seg/0.m4s", nil)
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusPartialContent || string(b) != whole[from:to+1] {
			t.Fatalf("bytes %d to %d: %d, %q, %v", from, to, res.StatusCode, b, err)
		}
	}
}

func TestOnlyReadingIsPossible(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 6)
	for method, want := range map[string]int{"POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 204, "HEAD": 200} {
		status, header, body, err := fetch(method, s.base+"/v0/index.m3u8")
		if err != nil || status != want || method == "HEAD" && body != "" || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %q %v, want %d", method, status, body, err, want)
		}
	}
	for _, path := range []string{
		"/v0", "/v1/index.m3u8", "/v0/seg/01.m4s", "/v0/seg/-1.m4s", "/v0/seg/0.mp4", "/v0/x/1.m4s", "/v0/init/zz.mp4",
		"/v0/init/" + strings.Repeat("0", 64) + ".mp4", "/v0/99999999999999999999/1.m4s", "/live/cam/index.m3u8",
	} {
		s.want(path, 404)
	}
	for _, query := range []string{"_HLS_msn=x", "_HLS_part=1", "_HLS_msn=1&_HLS_part=-1", "_HLS_msn=1e3"} {
		s.want("/v0/index.m3u8?"+query, 400)
	}
}

// A held request is answered by the piece it waits for, and by none before it.
func TestAHeldRequestIsReleasedAtOnce(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 6)
	list := s.ask("/v0/index.m3u8?_HLS_msn=1&_HLS_part=2", 1)
	hinted := s.ask(pieceURL(7), 2)
	s.send(6, 7)
	select {
	case a := <-list:
		t.Fatalf("answered a piece too early: %d", a.status)
	case a := <-hinted:
		t.Fatalf("answered a piece too early: %d", a.status)
	default:
	}
	began := time.Now()
	s.send(7, 8)
	a, b := <-list, <-hinted
	if took := time.Since(began); took > time.Second { // a hold is 5 s and 12 s
		t.Errorf("released after %s", took)
	}
	if a.err != nil || a.status != 200 || !strings.Contains(a.body, fmt.Sprintf(`URI="%d/7.m4s"`, epoch)) {
		t.Errorf("the playlist: %d %v\n%s", a.status, a.err, a.body)
	}
	if b.err != nil || b.status != 200 || b.body != string(piece(7).Data) {
		t.Errorf("the piece: %d %v", b.status, b.err)
	}
	s.want("/v0/index.m3u8?_HLS_msn=0", 200)
	s.want("/v0/index.m3u8?_HLS_msn=4", 400) // too far ahead
	s.want(pieceURL(11), 404)
}

// A player that is started before anything is here begins with the first whole segment.
func TestAPlayerMayBeEarly(t *testing.T) {
	s := serve(t, Options{})
	first := s.ask("/index.m3u8", 1)
	list := s.ask("/v0/index.m3u8", 2)
	s.send(0, 1)
	if a := <-list; a.status != 200 {
		t.Errorf("the playlist: %d", a.status)
	}
	select {
	case a := <-first:
		t.Fatalf("answered without a whole segment: %d", a.status)
	default:
	}
	s.send(1, 6)
	if a := <-first; a.status != 200 {
		t.Errorf("the multivariant playlist: %d", a.status)
	}
}

func TestWhatHasLeftTheWindowIsGone(t *testing.T) {
	s := serve(t, Options{})
	const count = 3000 // 10 minutes
	s.send(0, count)
	kept := len(s.now().pieces)
	if kept < 150 || kept > 150+2*int(lateRequests/partDur) {
		t.Errorf("%d pieces are kept, of which 150 are 30 s", kept)
	}
	if listed := len(s.now().listed); listed < 150 || listed >= kept {
		t.Errorf("%d of %d are listed", listed, kept)
	}
	s.want(pieceURL(0), 404)
	s.want("/v0/seg/1.m4s", 404)
	s.want(pieceURL(count-1), 200)
	s.want(pieceURL(count-150), 200)
	if _, body := s.want("/v0/index.m3u8", 200); !strings.Contains(body, "#EXT-X-MEDIA-SEQUENCE:569\n") && !strings.Contains(body, "#EXT-X-MEDIA-SEQUENCE:570\n") {
		t.Errorf("the playlist begins at\n%s", body[:300])
	}
}

func TestALostPieceIsAGap(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 7)
	s.add(lost(7))
	s.send(8, 12)
	_, body := s.want("/v0/index.m3u8", 200)
	if !strings.Contains(body, fmt.Sprintf(`URI="%d/7.m4s",GAP=YES`, epoch)) || strings.Count(body, "GAP=YES") != 1 {
		t.Errorf("the playlist is\n%s", body)
	}
	s.want(pieceURL(7), 404)
	if _, body := s.want("/v0/seg/1.m4s", 200); len(body) != len(piece(5).Data)+len(piece(6).Data)+len(piece(8).Data)+len(piece(9).Data) {
		t.Errorf("segment 1 has %d bytes", len(body))
	}
}

// A playlist has no holes: behind one it begins again, where a decoder can.
func TestBehindAHoleThePlaylistBeginsAgain(t *testing.T) {
	s := serve(t, Options{})
	s.send(3, 12) // not decodable before 5
	if _, body := s.want("/v0/index.m3u8", 200); !strings.Contains(body, "MEDIA-SEQUENCE:1\n") {
		t.Errorf("the playlist is\n%s", body)
	}
	s.send(13, 22)
	if _, body := s.want("/v0/index.m3u8", 200); !strings.Contains(body, "MEDIA-SEQUENCE:3\n") || strings.Contains(body, "/12.m4s") {
		t.Errorf("the playlist is\n%s", body)
	}
	s.want(pieceURL(11), 404)
	s.want(pieceURL(15), 200)
}

// Whoever feeds the server may err: what was not signed is not served.
func TestUnsignedBytesAreNotServed(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 6)
	bad := piece(6)
	bad.Data = bytes.ToUpper(append(bad.Data[:len(bad.Data)-1:len(bad.Data)-1], 'x'))
	if err := s.Add(bad, Init{Data: initData}); err == nil {
		t.Error("false bytes of a piece were taken")
	}
	s.add(lost(6))
	s.want(pieceURL(6), 404)
	s.send(7, 10)
	other := piece(10)
	other.Entry.Init = manifest.RootOf([]byte("another"))
	if err := s.Add(other, Init{Data: []byte("a false one")}); err != nil {
		t.Error(err)
	}
	s.want("/v0/init/"+other.Entry.Init.String()+".mp4", 404)
	s.want(pieceURL(10), 404)
}

func TestTheEndOfAStreamIsAWholeSegment(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 8)
	s.want("/v0/seg/1.m4s", 404)
	held := s.ask("/v0/index.m3u8?_HLS_msn=1", 1)
	s.SetEnded(true)
	if a := <-held; a.status != 200 || strings.Contains(a.body, "PRELOAD-HINT") || !strings.Contains(a.body, "seg/1.m4s") {
		t.Errorf("%d\n%s", a.status, a.body)
	}
	s.want("/v0/seg/1.m4s", 200)
	next := piece(0)
	next.Entry.Epoch, next.Entry.MSN, next.Entry.DSN = epoch+60_000, 2, 1
	s.add(next)
	if _, body := s.want("/v0/index.m3u8", 200); !strings.Contains(body, "#EXT-X-DISCONTINUITY\n") || !strings.Contains(body, "PRELOAD-HINT") {
		t.Errorf("the stream came back as\n%s", body)
	}
}

func TestOnlySoManyRequestsAreHeld(t *testing.T) {
	s := serve(t, Options{MaxHeld: 2})
	s.send(0, 6)
	a, b := s.ask(pieceURL(6), 1), s.ask(pieceURL(7), 2)
	if header, _ := s.want(pieceURL(8), 503); header.Get("Retry-After") == "" {
		t.Error("a refused player is not told when to come again")
	}
	s.send(6, 8)
	for _, held := range []<-chan answer{a, b} {
		if got := <-held; got.status != 200 {
			t.Errorf("%d", got.status)
		}
	}
}

func TestAStopReleasesHeldRequests(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 6)
	list, hinted := s.ask("/v0/index.m3u8?_HLS_msn=1&_HLS_part=4", 1), s.ask(pieceURL(6), 2)
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > drain {
		t.Errorf("stopping took %s", took)
	}
	for _, held := range []<-chan answer{list, hinted} {
		if a := <-held; a.err != nil || a.status != 503 {
			t.Errorf("%d %v", a.status, a.err)
		}
	}
}

// Fifty players at once follow the stream part by part, and miss nothing.
func TestManyPlayersFollow(t *testing.T) {
	s := serve(t, Options{})
	s.send(0, 5)
	const players, until = 50, 25
	got := make(chan error, players) // one for each player and part
	for range players {
		go func() {
			for n := 5; n < until; n++ {
				got <- s.follow(n)
			}
		}()
	}
	for n := 5; n < until; n++ {
		s.send(n, n+1)
		for range players {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
	}
}

// follow waits for part n as a player does, and fetches it.
func (s *served) follow(n int) error {
	path := fmt.Sprintf("/v0/index.m3u8?_HLS_msn=%d&_HLS_part=%d", n/parts, n%parts)
	status, _, body, err := fetch(http.MethodGet, s.base+path)
	if err != nil || status != 200 || !strings.Contains(body, fmt.Sprintf("/%d.m4s", n)) {
		return fmt.Errorf("%s: %d %w", path, status, err)
	}
	status, _, body, err = fetch(http.MethodGet, s.base+pieceURL(n))
	if err != nil || status != 200 || body != string(piece(n).Data) {
		return fmt.Errorf("piece %d: %d %w", n, status, err)
	}
	return nil
}

func TestAnAddressThatCannotBeHadIsSaidInASentence(t *testing.T) {
	l, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		t.Errorf("without a host it listens at %s, for everybody", ip)
	}
	_, err = Listen(l.Addr().String())
	var taken *AddressError
	if !errors.As(err, &taken) || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("%v", err)
	}
	if _, err := Listen("nonsense"); !errors.As(err, &taken) {
		t.Errorf("%v", err)
	}
}
