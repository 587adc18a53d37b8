package peer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// swarmer is a viewer who takes part in the stream's swarm.
func swarmer(t *testing.T, o *testOrigin, m *meeting, length time.Duration) *session {
	t.Helper()
	s := viewer(t, o, length)
	s.Transport = m
	return s
}

// mustMatch holds a file that was written against what was signed: byte by byte the init
// segment and whole pieces from a keyframe on. It returns how many bytes the pieces have.
func mustMatch(t *testing.T, o *testOrigin, s *session) (size int64) {
	t.Helper()
	got, err := os.ReadFile(s.out)
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, from := range o.signed {
		if !from.Entry.Key {
			continue
		}
		want := bytes.Clone(o.blobs[from.Entry.Init])
		start := len(want)
		for _, e := range o.signed[i:] {
			if len(want) >= len(got) {
				break
			}
			want = append(want, o.blobs[e.Entry.Root]...)
		}
		if bytes.Equal(got, want) {
			return int64(len(want) - start)
		}
	}
	t.Fatalf("the %d bytes in %s are not what was published\n%s", len(got), s.out, s.log.String())
	return 0
}

func (b Bytes) sum() int64 { return b.Peer + b.Seed + b.Edge + b.Origin }

// asked returns how often the origin was asked for paths that begin so.
func (o *testOrigin) asked(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := 0
	for path, hits := range o.hits {
		if strings.HasPrefix(path, what) {
			sum += hits
		}
	}
	return sum
}

const (
	manifestPath = "/live/cam/manifest.json"
)

// first returns how long it took until a piece was here.
func (s *session) first() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if l.PiecesVerified > 0 {
			return l.T
		}
	}
	return 1e9
}

// Viewers of one stream take most of it from the seed and each other, give no more than
// they are willing to, and ask the origin for next to nothing.
func TestViewersFeedEachOther(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, large))
	o.publish(10)
	o.seed(t, m, false)
	o.play(60)
	sessions := []*session{swarmer(t, o, m, 5*time.Second), swarmer(t, o, m, 5*time.Second), swarmer(t, o, m, 5*time.Second), swarmer(t, o, m, 5*time.Second)}
	sessions[2].NoUp = true
	sessions[3].UpRate = 64_000
	var waits []func() (Summary, error)
	for _, s := range sessions {
		waits = append(waits, s.begin(t))
	}
	var given, taken int64
	for i, wait := range waits {
		sum, err := wait()
		if err != nil {
			t.Fatalf("%v\n%s", err, sessions[i].log.String())
		}
		if size := mustMatch(t, o, sessions[i]); sum.Bytes.sum() != size {
			t.Errorf("viewer %d: %+v add up to %d bytes, of %d", i, sum.Bytes, sum.Bytes.sum(), size)
		}
		if sum.Bytes.Origin > sum.Bytes.sum()*2/5 || sum.PiecesRejected != 0 || sum.BlocksRejected != 0 {
			t.Errorf("viewer %d: %+v", i, sum)
		}
		if sum.DelayMS.P50 < 450 || sum.DelayMS.P50 > 1200 {
			t.Errorf("viewer %d: delay %+v", i, sum.DelayMS)
		}
		t.Logf("viewer %d: %+v, gave %d", i, sum, sessions[i].latest().Upload)
		given += sessions[i].latest().Upload
		taken += sum.Bytes.Peer
	}
	peers := 0
	for i, s := range sessions {
		for j, l := range s.lines {
			peers = max(peers, int(l.Peers))
			if j > 0 && l.Upload < s.lines[j-1].Upload {
				t.Errorf("viewer %d: what was given shrinks from %d to %d", i, s.lines[j-1].Upload, l.Upload)
			}
		}
	}
	if peers != 4 {
		t.Errorf("%d peers were counted, of 3 viewers and a seed", peers)
	}
	if taken == 0 || given < taken*3/4 {
		t.Errorf("%d bytes were given, %d were taken", given, taken)
	}
	if up := sessions[2].latest().Upload; up != 0 {
		t.Errorf("who gives nothing gave %d bytes", up)
	}
	if up := sessions[3].latest().Upload; up > 64_000/8*6+32<<10 {
		t.Errorf("who gives 64 kbit/s gave %d bytes in 5 s", up)
	}
	// Each asks once at the beginning, and may once more before the first head comes.
	if hits := o.asked(manifestPath); hits > 3*len(sessions) {
		t.Errorf("the origin's manifest was asked for %d times", hits)
	}
}

// A swarm without anybody in it costs a viewer nothing; and one that lives does not keep
// the picture back.
func TestTheFirstPictureDoesNotWaitForTheSwarm(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	full := &meeting{}
	o.seed(t, full, false)
	o.play(60)
	plain, alone, joined, refused := viewer(t, o, 3*time.Second), swarmer(t, o, &meeting{}, 3*time.Second), swarmer(t, o, full, 3*time.Second), swarmer(t, o, &meeting{down: true}, 3*time.Second)
	var sums []Summary
	var waits []func() (Summary, error)
	sessions := []*session{plain, alone, joined, refused}
	for _, s := range sessions {
		waits = append(waits, s.begin(t))
	}
	for i, wait := range waits {
		sum, err := wait()
		if err != nil {
			t.Fatalf("%v\n%s", err, sessions[i].log.String())
		}
		mustMatch(t, o, sessions[i])
		sums = append(sums, sum)
		if first := sessions[i].first(); first > plain.first()+0.35 {
			t.Errorf("viewer %d had its first piece after %.2f s, one over HTTP after %.2f s", i, first, plain.first())
		}
		if i != 2 && sum.Bytes.Origin != sum.Bytes.sum() {
			t.Errorf("viewer %d: %+v", i, sum.Bytes)
		}
		if sum.StalledMS > sums[0].StalledMS+1000 { // a busy machine holds one or another
			t.Errorf("viewer %d: %+v, over HTTP %+v", i, sum, sums[0])
		}
	}
	lead := leadOf(originSlack(time.Second, true), nil).Milliseconds() // a busy machine answers late
	if sums[1].DelayMS.P50 > sums[0].DelayMS.P50+lead+500 {
		t.Errorf("%d ms behind with nobody in the swarm, %d ms over HTTP", sums[1].DelayMS.P50, sums[0].DelayMS.P50)
	}
	if sums[2].Bytes.Seed == 0 {
		t.Errorf("%+v", sums[2])
	}
}

// Where the swarm tells of pieces that it does not have, their blocks come from the origin
// in time, whether it knows of ranges or not.
func TestTheOriginFillsIn(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		name := "ranges"
		if !ranges {
			name = "no ranges"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, m := newOrigin(t, "alice"), &meeting{}
			o.begin(mustMedia(t, large))
			o.publish(10)
			o.hook = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
				if !ranges {
					r.Header.Del("Range")
				}
				return false
			}
			o.seed(t, m, true)
			o.play(40)
			s := swarmer(t, o, m, 3*time.Second)
			sum := s.mustWatch(t)
			size := mustMatch(t, o, s)
			if sum.Bytes.Origin != size || sum.Stalls > 0 || sum.BlocksRejected > 0 {
				t.Errorf("%+v\n%s", sum, s.log.String())
			}
			if hits := o.asked(manifestPath); hits > 4 {
				t.Errorf("the manifest was asked for %d times while heads flowed", hits)
			}
		})
	}
}

// A seed that dies is replaced by the origin piece by piece, and takes over again when it
// is back; the origin is asked for entries only meanwhile.
func TestTheSeedDiesAndComesBack(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(10)
	seed := o.seed(t, m, false)
	o.play(80)
	s := swarmer(t, o, m, 12*time.Second)
	wait := s.begin(t)
	eventually(t, "pieces from the seed", func() bool { return s.latest().Bytes.Seed > 40_000 })
	quiet := func(what string) {
		t.Helper()
		hits, pieces := o.asked(manifestPath), s.latest().PiecesVerified
		eventually(t, "8 pieces more", func() bool { return s.latest().PiecesVerified > pieces+8 })
		if more := o.asked(manifestPath) - hits; more > 1 {
			t.Errorf("%s: the manifest was asked for %d times while heads flowed", what, more)
		}
	}
	quiet("at first")
	seed.stop()
	before, stopped := s.latest(), time.Now()
	hits := o.asked(manifestPath)
	eventually(t, "polling", func() bool { return o.asked(manifestPath) > hits })
	if late := time.Since(stopped); late > 1500*time.Millisecond {
		t.Errorf("the origin was asked %s after the heads stopped", late)
	}
	eventually(t, "pieces from the origin", func() bool { return s.latest().Bytes.Origin > before.Bytes.Origin+10_000 })
	o.seed(t, m, false)
	back := s.latest()
	eventually(t, "pieces from the seed again", func() bool { return s.latest().Bytes.Seed > back.Bytes.Seed+10_000 })
	quiet("afterwards")
	sum, err := wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	mustMatch(t, o, s)
	if sum.StalledMS > 1500 {
		t.Errorf("%+v", sum)
	}
}

// While the swarm lives nobody needs the origin: entries of a new session key come with
// its record, and a dead origin is not hammered.
func TestTheOriginDies(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.seed(t, m, false)
	o.play(60)
	s := swarmer(t, o, m, 5*time.Second)
	wait := s.begin(t)
	eventually(t, "pieces from the seed", func() bool { return s.latest().Bytes.Seed > 10_000 })
	o.stop()
	o.do(func() { o.rotate(event.Position{Epoch: o.epoch, N: o.n}) })
	sum, err := wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	mustMatch(t, o, s)
	if sum.StalledMS > 1000 || s.saw(Stale) || s.saw(Offline) { // a busy machine holds it now and then
		t.Errorf("%+v\n%s", sum, s.log.String())
	}
}

// When nothing arrives from anywhere for 3 s, what was missed comes afterwards.
func TestEverythingIsCutFor3Seconds(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.seed(t, m, false)
	o.play(80)
	s := swarmer(t, o, m, 9*time.Second)
	wait := s.begin(t)
	eventually(t, "pieces from the seed", func() bool { return s.latest().Bytes.Seed > 10_000 })
	m.setCut(true)
	o.stop()
	cut := s.latest().PiecesVerified
	<-time.After(3 * time.Second)
	if now := s.latest().PiecesVerified; now > cut+5 {
		t.Fatalf("%d pieces came over a cut line", now-cut)
	}
	o.start()
	m.setCut(false)
	sum, err := wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	mustMatch(t, o, s)
	if sum.Stalls == 0 || sum.StalledMS > 5000 {
		t.Errorf("%+v\n%s", sum, s.log.String())
	}
}

// Who sends false bytes is left alone, nothing of it is written, and the next seed is welcome.
// The liar is there first: with another to choose, a viewer may never ask it for anything.
func TestALiarAmongTheSeeds(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  spoil
		blocks bool
	}{
		"false blocks": {func(h *swarm.Head, data []byte) (*swarm.Head, []byte) {
			data = bytes.Clone(data)
			data[len(data)/2] ^= 1
			return h, data
		}, true},
		"false leaves": {func(h *swarm.Head, data []byte) (*swarm.Head, []byte) {
			data, lie := bytes.Clone(data), *h
			data[len(data)/2] ^= 1
			lie.Leaves = manifest.Leaves(data)
			return &lie, data
		}, false},
		"forged heads": {func(h *swarm.Head, data []byte) (*swarm.Head, []byte) {
			lie := *h
			lie.Sig[3] ^= 1
			return &lie, data
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, m := newOrigin(t, "alice"), &meeting{}
			o.begin(mustMedia(t, small))
			o.publish(10)
			liar := o.liar(t, m, c.spoil)
			o.play(60)
			s := swarmer(t, o, m, time.Minute)
			wait := s.begin(t)
			eventually(t, "a ban of the liar", func() bool { return m.banned() == 1 })
			o.seed(t, m, false)
			eventually(t, "pieces from the honest seed, the only peer, and a count of the lies", func() bool {
				l := s.latest()
				return l.Bytes.Seed > 40_000 && l.Peers == 1 && (!c.blocks || l.BlocksRejected > 0)
			})
			s.leave()
			sum, err := wait()
			if err != nil {
				t.Fatalf("%v\n%s", err, s.log.String())
			}
			mustMatch(t, o, s)
			if c.blocks && sum.BlocksRejected == 0 || sum.PiecesRejected > 0 || sum.Stalls > 0 {
				t.Errorf("%+v", sum)
			}
			if at := liar.conns(t); at != 1 { // the honest seed wants nothing of it
				t.Errorf("the liar has %d connections", at)
			}
			if sum.Peers != 1 || m.banned() != 1 {
				t.Errorf("%d peers at the end and %d banned, of a seed and a liar", sum.Peers, m.banned())
			}
		})
	}
}

// Two entries that the creator's key signed for one place are proof against it, also where
// only the swarm shows them.
func TestAForkThatOnlyTheSwarmShowsIsBroken(t *testing.T) {
	t.Parallel()
	for _, page := range []bool{true, false} {
		t.Run(fmt.Sprintf("page=%v", page), func(t *testing.T) {
			t.Parallel()
			o, m := newOrigin(t, "alice"), &meeting{}
			o.begin(mustMedia(t, small))
			o.publish(10)
			o.seed(t, m, false)
			o.play(60)
			s := swarmer(t, o, m, time.Minute)
			if !page {
				s.URL = o.magnet(t)
			}
			wait := s.begin(t)
			eventually(t, "playing", func() bool { return s.latest().PiecesVerified > 5 })
			m.tell(t, &swarm.Hello{Version: swarm.Version, Stream: o.id, ID: swarm.PeerID{0xfd}}, o.forked(t))
			if _, err := wait(); !errors.Is(err, ErrBroken) || !errors.Is(err, manifest.ErrFork) {
				t.Fatalf("%v\n%s", err, s.log.String())
			}
			if s.latest().State != Broken {
				t.Errorf("at the end it shows %s", s.latest().State)
			}
		})
	}
}

// forked signs the newest place a second time.
func (o *testOrigin) forked(t *testing.T) *swarm.Head {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.signed[len(o.signed)-1].Entry
	e.At++
	env, err := manifest.SignEntry(o.session, e)
	if err != nil {
		t.Fatal(err)
	}
	h, err := swarm.HeadOf(manifest.Signed{Entry: e, Envelope: env}, manifest.Leaves(o.blobs[e.Root]))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Another publish, lost pieces and another format are as over HTTP.
func TestPublishesInTheSwarm(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.seed(t, m, false)
	s := swarmer(t, o, m, 7*time.Second)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 5 })
	o.publish(3)
	eventually(t, "pieces from the seed", func() bool { return s.latest().PiecesVerified == 8 && s.latest().Bytes.Seed > 0 })
	o.lose(3)
	o.publish(9)
	eventually(t, "pieces behind the gap", func() bool { return s.latest().PiecesVerified >= 13 })
	o.do(func() { o.live = false })
	eventually(t, "offline", func() bool { return s.saw(Offline) })
	o.begin(mustMedia(t, small))
	o.publish(10)
	eventually(t, "the next publish", func() bool { return s.latest().PiecesVerified >= 23 })
	o.begin(mustMedia(t, large))
	o.publish(25)
	if _, err := wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	mustPlay(t, s.out)
	if frames, _ := mustPlay(t, s.out+".2"); frames < 50 {
		t.Errorf("second file: %d pictures", frames)
	}
}

// A publish that begins after another is played Lead late too: what the swarm does not
// have of it comes from the origin, in time.
func TestANewPublishIsFilledInToo(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.seed(t, m, true)
	s := swarmer(t, o, m, 4*time.Second)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 5 })
	o.begin(mustMedia(t, small))
	began := time.Now()
	o.play(25)
	eventually(t, "the next publish", func() bool { return s.latest().PiecesVerified > 5 })
	if late := time.Since(began); late > 3*time.Second {
		t.Errorf("the first piece of a publish came after %s", late)
	}
	if _, err := wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
}

// magnet returns a link to the stream that names no page.
func (o *testOrigin) magnet(t *testing.T) string {
	t.Helper()
	d, err := metainfo.NewDescriptor(o.genesis)
	if err != nil {
		t.Fatal(err)
	}
	return d.Magnet([]string{"http://127.0.0.1:1/announce"}, "")
}

// A magnet link leads to a stream of which only the swarm is known.
func TestWatchWithoutAnOrigin(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(32)
	o.seed(t, m, false)
	o.play(40)
	s := swarmer(t, o, m, 3*time.Second)
	s.URL = o.magnet(t)
	newest := len(o.signed)
	sum := s.mustWatch(t)
	size := mustMatch(t, o, s)
	if sum.Bytes.Seed != size || sum.Stalls > 0 || !s.saw(Verified) || s.saw(Broken) || s.saw(Offline) {
		t.Errorf("%+v, %d bytes\n%s", sum, size, s.log.String())
	}
	if o.asked("/") != 0 {
		t.Errorf("the origin was asked: %v", o.hits)
	}
	if first := o.firstIn(t, s.out); first < newest-8 {
		t.Errorf("began at piece %d, %d were published", first, newest)
	}
}

// firstIn returns the number of the piece that a file begins with.
func (o *testOrigin) firstIn(t *testing.T, file string) int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, s := range o.signed {
		got := make([]byte, s.Entry.Size)
		if _, err := f.ReadAt(got, int64(len(o.blobs[s.Entry.Init]))); (err == nil || errors.Is(err, io.EOF)) && manifest.RootOf(got) == s.Entry.Root {
			return i
		}
	}
	t.Fatal("the file begins with no piece")
	return 0
}

// What cannot work with a magnet link is said in a sentence.
func TestMagnetLinksThatLeadNowhere(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.seed(t, m, false)
	changed := strings.Replace(o.magnet(t), string(o.id), strings.Repeat("a", 32), 1)
	for what, c := range map[string]struct {
		link   string
		m      *meeting
		broken bool
		want   string
	}{
		"another's id":     {changed, m, true, "the link is to stream aaaa"},
		"an empty swarm":   {o.magnet(t), &meeting{}, false, "nobody in the stream's swarm answered"},
		"no way to others": {o.magnet(t), nil, false, "magnet link has no xs"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := viewer(t, o, time.Second)
			if s.URL = c.link; c.m != nil {
				s.Transport = c.m
			}
			s.timing.joinFor = 100 * time.Millisecond
			if _, err := s.watch(t); err == nil || errors.Is(err, ErrBroken) != c.broken || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
