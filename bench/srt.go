package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
	"github.com/shoalcast/shoal/ingest/srt/libsrt"
	"github.com/shoalcast/shoal/internal/ffmpeg"
	"github.com/shoalcast/shoal/internal/netlab"
)

const (
	srtLatency = 200 * time.Millisecond
	srtTrip    = 60 * time.Millisecond
	srtLoss    = 0.05
	srtKbps    = 4000
	srtRounds  = 5
	srtLength  = 30 * time.Second
	srtSlack   = 150 * time.Millisecond // beyond the latency
	srtSettle  = 2 * time.Second        // for what is on its way
	srtCPU     = 2.5                    // times that of srt-live-transmit
	srtPieces  = 200.0                  // MB/s
)

// benchSRT sends one film by SRT over a link that loses packets to shoal up and to
// srt-live-transmit, in turns, and compares processor times without loss.
func benchSRT(ctx context.Context, r *report, o options) error {
	dir, err := os.MkdirTemp("", "shoal-bench-srt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := makeFilm(ctx, filepath.Join(dir, "film.ts"), o.orLength(srtLength))
	if err != nil {
		return err
	}
	var all, last, ours, theirs, oursWhole, theirsWhole []float64
	for round := range srtRounds {
		seed := uint64(round + 1)
		a, err := f.throughShoal(ctx, seed)
		if err != nil {
			return err
		}
		b, err := f.throughTransmit(ctx, seed, filepath.Join(dir, "received.ts"))
		if err != nil {
			return err
		}
		fmt.Printf("round %d: p95 %.0f ms of all frames, %.0f ms of each piece's last; of %d frames %d arrive here, %d can be shown; through srt-live-transmit %d and %d\n",
			round+1, ms(quantile(a.all, 0.95)), ms(quantile(a.last, 0.95)), f.counted(), a.whole, a.shown, b.whole, b.shown)
		all, last = append(all, ms(quantile(a.all, 0.95))), append(last, ms(quantile(a.last, 0.95)))
		ours, theirs = append(ours, float64(a.shown)), append(theirs, float64(b.shown))
		oursWhole, theirsWhole = append(oursWhole, float64(a.whole)), append(theirsWhole, float64(b.whole))
	}
	bound := ms(srtLatency + srtSlack)
	r.add(fmt.Sprintf("camera to origin over SRT, %.0f %% loss, RTT %s, latency %s: p95", 100*srtLoss, srtTrip, srtLatency),
		fmt.Sprintf("%.0f ms", median(all)), fmt.Sprintf("≤ %.0f ms", bound), median(all) <= bound)
	r.note("the same of the last frame of each piece, without the wait for its piece", fmt.Sprintf("%.0f ms", median(last)))
	r.add(fmt.Sprintf("frames that arrive whole, of %d; srt-live-transmit %.0f", f.counted(), median(theirsWhole)),
		fmt.Sprintf("%.0f", median(oursWhole)), "≥ srt-live-transmit", median(oursWhole) >= median(theirsWhole))
	r.add(fmt.Sprintf("of them after nothing but whole ones since a key frame; there %.0f", median(theirs)),
		fmt.Sprintf("%.0f", median(ours)), "≥ srt-live-transmit", median(ours) >= median(theirs))
	if err := srtProcessor(ctx, r); err != nil {
		return err
	}
	return tsToPieces(ctx, r, o)
}

// tsFilm is a transport stream, cut as an encoder emits it.
type tsFilm struct {
	program ffmpeg.Program
	frames  [][]byte                  // each picture with what the multiplex has up to the next
	keys    []bool                    // which of them begin a group of pictures
	here    map[[sha256.Size]byte]int // pictures as our demuxer hands them on
	there   map[string]int            // and ffmpeg's
}

// makeFilm encodes as a camera does and remembers each picture by its bytes, once as our
// demuxer and once as ffmpeg reads it.
func makeFilm(ctx context.Context, path string, length time.Duration) (*tsFilm, error) {
	p, err := ffmpeg.Find()
	if err != nil {
		return nil, err
	}
	err = p.Run(ctx, ffmpeg.Command{Args: []string{
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=1280x720:rate=%d,noise=alls=20:allf=t", fps), "-f", "lavfi", "-i", "sine=sample_rate=48000",
		"-t", strconv.FormatFloat(length.Seconds(), 'f', -1, 64),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", strconv.Itoa(fps), "-sc_threshold", "0",
		"-b:v", kbps(srtKbps), "-maxrate", kbps(srtKbps), "-bufsize", kbps(srtKbps / 4), "-c:a", "aac",
		"-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts", path,
	}})
	if err != nil {
		return nil, err
	}
	ts, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &tsFilm{program: p, frames: cutFrames(ts), here: map[[sha256.Size]byte]int{}, there: map[string]int{}}
	d := mpegts.New(mpegts.Options{Sink: f})
	if _, err := d.Write(ts); err != nil {
		return nil, err
	}
	if err := d.Flush(); err != nil {
		return nil, err
	}
	sums, err := f.sums(ctx, path)
	if err != nil {
		return nil, err
	}
	for i, sum := range sums {
		f.there[sum] = i
	}
	if n := len(f.frames); len(f.here) != n || len(f.there) != n || len(f.keys) != n {
		return nil, fmt.Errorf("of %d frames our demuxer finds %d, and ffmpeg %d", n, len(f.here), len(f.there))
	}
	return f, nil
}

// Config and Push make a tsFilm a mpegts.Sink.
func (f *tsFilm) Config(media.Config) error { return nil }

func (f *tsFilm) Push(u media.AccessUnit) error {
	if u.Kind == media.Video {
		f.here[sha256.Sum256(u.Data)] = len(f.keys)
		f.keys = append(f.keys, u.Key)
	}
	return nil
}

// cutFrames cuts a transport stream before each packet that begins a picture.
func cutFrames(ts []byte) (out [][]byte) {
	const packet, video = 188, 0x100 // ffmpeg's first PID
	begin, begun := 0, false
	for at := 0; at+packet <= len(ts); at += packet {
		if ts[at+1]&0x40 == 0 || int(ts[at+1]&0x1f)<<8|int(ts[at+2]) != video {
			continue
		}
		if begun {
			out, begin = append(out, ts[begin:at]), at
		}
		begun = true
	}
	return append(out, ts[begin:])
}

var frameSum = regexp.MustCompile(`(?m)^0,(?:[^,]*,){4}\s*([0-9a-f]{32})`)

// sums are the MD5s of the pictures of a file, as ffmpeg reads them.
func (f *tsFilm) sums(ctx context.Context, path string) (out []string, err error) {
	var b bytes.Buffer
	err = f.program.Run(ctx, ffmpeg.Command{Args: []string{"-i", path, "-map", "0:v", "-c", "copy", "-f", "framemd5", "pipe:1"}, Stdout: &b})
	for _, m := range frameSum.FindAllStringSubmatch(b.String(), -1) {
		out = append(out, m[1])
	}
	return out, err
}

// arrivals is what became of a film on its way.
type arrivals struct {
	all, last []time.Duration // camera to origin, of each frame and of each piece's last
	arrived   []bool
	whole     int // frames that arrived, byte for byte
	shown     int // those whose group of pictures is whole up to them
}

// counted are the frames of which arrivals are asked: the last second's would tell how soon
// an end is noticed.
func (f *tsFilm) counted() int { return len(f.frames) - fps }

func (f *tsFilm) count(a *arrivals) {
	good := false
	for i, ok := range a.arrived[:f.counted()] {
		if ok {
			a.whole++
		}
		if good = ok && (good || f.keys[i]); good {
			a.shown++
		}
	}
}

func (f *tsFilm) throughShoal(ctx context.Context, seed uint64) (a arrivals, err error) {
	s, err := startShoal(ctx, "--srt", free, "--srt-latency", srtLatency.String())
	if err != nil {
		return a, err
	}
	defer s.stop()
	stream, err := s.addStream(ctx, "srt")
	if err != nil {
		return a, err
	}
	u, err := url.Parse(stream.SRT)
	if err != nil || u.Host == "" {
		return a, fmt.Errorf("shoal up takes no SRT: %q", stream.SRT)
	}
	following, stop := context.WithCancel(ctx)
	var got []servedPiece
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() { got, failed = followOrigin(following, s.at.HTTP+"/live/srt/v0/") })
	sent, err := f.send(ctx, u.Host, u.Query().Get("streamid"), seed)
	if err == nil {
		err = pause(ctx, srtSettle)
	}
	stop()
	wg.Wait()
	if err = errors.Join(err, failed); err != nil {
		return a, err
	}
	a.arrived = make([]bool, len(f.frames))
	for _, p := range got {
		c, err := fmp4.Read(p.body)
		if err != nil {
			return a, fmt.Errorf("read a piece: %w", err)
		}
		newest := -1
		for _, picture := range c.Pictures {
			i, ok := f.here[sha256.Sum256(picture.Data)]
			if !ok {
				return a, errors.New("a piece holds a picture that was not sent")
			}
			a.arrived[i], newest = true, i
			a.all = append(a.all, p.at.Sub(sent[i]))
		}
		if newest >= 0 {
			a.last = append(a.last, p.at.Sub(sent[newest]))
		}
	}
	f.count(&a)
	return a, nil
}

func (f *tsFilm) throughTransmit(ctx context.Context, seed uint64, path string) (a arrivals, err error) {
	addr, err := freeUDP()
	if err != nil {
		return a, err
	}
	out, err := os.Create(path)
	if err != nil {
		return a, err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "srt-live-transmit", "-q", "-chunk:1316",
		fmt.Sprintf("srt://%s?mode=listener&latency=%d", addr, srtLatency.Milliseconds()), "file://con")
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Start(); err != nil {
		return a, fmt.Errorf("start srt-live-transmit: %w", err)
	}
	_, err = f.send(ctx, addr, "film", seed)
	if err == nil {
		err = pause(ctx, srtSettle)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if err != nil {
		return a, err
	}
	sums, err := f.sums(ctx, path)
	if err != nil {
		return a, err
	}
	a.arrived = make([]bool, len(f.frames))
	for _, sum := range sums {
		if i, ok := f.there[sum]; ok {
			a.arrived[i] = true
		}
	}
	f.count(&a)
	return a, nil
}

// send sends the film through a bad link, each frame at its time, and returns when each
// began to leave.
func (f *tsFilm) send(ctx context.Context, addr, streamID string, seed uint64) ([]time.Time, error) {
	relay, err := netlab.UDP(addr, netlab.Link{Delay: srtTrip / 2, Loss: srtLoss, Seed: seed})
	if err != nil {
		return nil, err
	}
	defer relay.Close()
	lib, err := libsrt.Load()
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(relay.Addr())
	if err != nil {
		return nil, err
	}
	u, err := callSRT(ctx, lib, to, streamID)
	if err != nil {
		return nil, err
	}
	defer lib.Close(u)
	sent := make([]time.Time, len(f.frames))
	begin := time.Now()
	for i, frame := range f.frames {
		if err := pause(ctx, time.Until(begin.Add(time.Second*time.Duration(i)/fps))); err != nil {
			return nil, err
		}
		sent[i] = time.Now()
		for len(frame) > 0 {
			n := min(len(frame), libsrt.MaxPayload/188*188)
			if err := lib.Send(u, frame[:n]); libsrt.Again(err) {
				err = pause(ctx, time.Millisecond)
				if err != nil {
					return nil, err
				}
				continue
			} else if err != nil {
				return nil, fmt.Errorf("send frame %d: %w", i, err)
			}
			frame = frame[n:]
		}
	}
	return sent, pause(ctx, srtSettle) // the link goes with the connection
}

// callSRT connects; a listener that has just been started may not be there yet.
func callSRT(ctx context.Context, lib *libsrt.Library, to netip.AddrPort, streamID string) (libsrt.Socket, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		u, err := lib.Socket()
		if err != nil {
			return 0, err
		}
		if err := errors.Join(lib.SetText(u, libsrt.OptStreamID, streamID), lib.SetInt(u, libsrt.OptPeerLag, int(srtLatency.Milliseconds())), lib.Connect(u, to)); err != nil {
			return 0, err
		}
		for lib.State(u) < libsrt.StateConnected {
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return 0, fmt.Errorf("call %s by SRT: %w", to, err)
			}
		}
		if lib.State(u) == libsrt.StateConnected {
			return u, nil
		}
		lib.Close(u)
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return 0, fmt.Errorf("call %s by SRT: %w", to, err)
		}
	}
}

// servedPiece is a piece, and when it was all there at the origin.
type servedPiece struct {
	at   time.Time
	body []byte
}

// followOrigin asks for each next piece before it is there, as players do, until ctx ends.
func followOrigin(ctx context.Context, base string) (out []servedPiece, err error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	seen := map[string]bool{}
	for ctx.Err() == nil {
		list, status, err := answer(ctx, client, base+"index.m3u8")
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return out, err
		}
		if status != http.StatusOK {
			_ = pause(ctx, 5*time.Millisecond)
			continue
		}
		for _, uri := range partURIs(list) {
			if seen[uri] {
				continue
			}
			body, status, err := answer(ctx, client, base+uri)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				return out, err
			}
			if status != http.StatusOK { // it did not come in the time that the origin waits
				break
			}
			seen[uri] = true
			out = append(out, servedPiece{time.Now(), body})
		}
	}
	return out, nil
}

var partURI = regexp.MustCompile(`^#EXT-X-(?:PART:|PRELOAD-HINT:TYPE=PART).*URI="([^"]+)"`)

// partURIs are the parts that a playlist lists, and the next, which is not there yet.
func partURIs(playlist []byte) (out []string) {
	for line := range strings.Lines(string(playlist)) {
		if m := partURI.FindStringSubmatch(line); m != nil {
			out = append(out, m[1])
		}
	}
	return out
}

func answer(ctx context.Context, client *http.Client, url string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(bufio.NewReader(res.Body))
	return b, res.StatusCode, err
}

func freeUDP() (string, error) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	return c.LocalAddr().String(), c.Close()
}

var srtRatio = regexp.MustCompile(`([\d.]+) our-cpu-s.*?([\d.]+) ratio.*?([\d.]+) their-cpu-s`)

// srtProcessor runs the benchmark of ingest/srt that receives 20 × 4 Mbit/s.
func srtProcessor(ctx context.Context, r *report) error {
	out, err := exec.CommandContext(ctx, "go", "test", "./ingest/srt", "-run", "^$", "-bench", "Beside", "-benchtime", "1x").CombinedOutput()
	m := srtRatio.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("go test -bench Beside: %w: %s", err, out)
	}
	ratio, err := strconv.ParseFloat(string(m[2]), 64)
	if err != nil {
		return fmt.Errorf("read %q: %w", m[0], err)
	}
	r.add(fmt.Sprintf("CPU of receiving 20 × 4 Mbit/s by SRT: %s s, srt-live-transmit %s s", m[1], m[3]), fmt.Sprintf("%.2f ×", ratio), "≤ 2.5 ×", ratio <= srtCPU)
	return nil
}

var tsRate = regexp.MustCompile(`(?m)^BenchmarkDemuxer\S*/(\S+?)\s.*?([\d.]+) MB/s`)

// tsToPieces runs the benchmark of ingest/mpegts on one core.
func tsToPieces(ctx context.Context, r *report, o options) error {
	out, err := exec.CommandContext(ctx, "go", "test", "./ingest/mpegts", "-run", "^$", "-bench", "Demuxer", "-cpu", "1",
		"-benchtime", o.orLength(2*time.Second).String()).CombinedOutput()
	rates := tsRate.FindAllSubmatch(out, -1)
	if err != nil || len(rates) == 0 {
		return fmt.Errorf("go test -bench Demuxer: %w: %s", err, out)
	}
	for _, m := range rates {
		rate, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return fmt.Errorf("read %q: %w", m[0], err)
		}
		what, figure := "MPEG-TS, "+string(m[1]), fmt.Sprintf("%.0f MB/s", rate)
		if strings.Contains(string(m[1]), "pieces") {
			r.add(what+", one core", figure, "≥ 200 MB/s", rate >= srtPieces)
		} else {
			r.note(what+", one core", figure)
		}
	}
	return nil
}
