package mpegts_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
)

// long is of pictures that fill many packets, so that their PES packets state no length.
var long = spec{source: "-f lavfi -i testsrc2=size=640x360:rate=25,noise=alls=20:allf=t " + testSound, codecs: "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -b:v 3M " + aac}

// A picture is passed on with its last packet: the wait for the next one is a frame's
// delay. What the multiplex does is learned first.
func TestAPictureNeedNotWaitForTheNext(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]spec{
		"as ffmpeg does": long, "at a constant rate": {long.source, long.codecs, "-muxrate 6M", ""},
		"HEVC": {codecs: hevc + " " + aac}, "small pictures": usual,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.make(t)
			var r recorder
			d := mpegts.New(r.options())
			var begun, late, known int
			for _, p := range packetsOf(c.ts) {
				if _, err := d.Write(p); err != nil {
					t.Fatal(err)
				}
				if pidOf(p) != videoPID {
					continue
				}
				if p[1]&0x40 != 0 { // what began before this one must be there by now
					if begun > 40 {
						late += begun - known
					}
					begun++
				}
				known = len(r.of(media.Video))
			}
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			intact(t, c, &r)
			all := len(of(c.source, "video"))
			if got := len(r.of(media.Video)); got != all || len(r.warnings) > 0 {
				t.Errorf("%d pictures of %d; %v", got, all, r.warnings)
			}
			// One in 184 fits its packets, and is not filled up.
			if late > 3 {
				t.Errorf("%d pictures waited for the next one", late)
			}
		})
	}
}

// padded fills a packet up by giving some of its payload to a packet of its own.
func padded(p []byte) [][]byte {
	const kept = 100
	out := make([][]byte, 0, 2)
	body := p[4:]
	for _, b := range [][]byte{body[:kept], body[kept:]} {
		q := bytes.Repeat([]byte{0xff}, packetSize)
		copy(q, p[:4])
		q[3] |= 0x20
		q[4], q[5] = byte(packetSize-4-len(b)-1), 0
		copy(q[packetSize-len(b):], b)
		out = append(out, q)
	}
	return out
}

// recount numbers the packets of a PID anew, as a multiplexer that made them would have.
func recount(ps [][]byte, pid int) {
	n := byte(0)
	for _, p := range ps {
		if pidOf(p) == pid && p[3]&0x10 != 0 {
			p[3] = p[3]&0xf0 | n&15
			n++
		}
	}
}

// A multiplex that fills packets up in the midst of pictures does not have them cut
// there. One that begins to do so when the opposite was learned costs one picture, of
// which it is told, and those that refer to it.
func TestPacketsFilledInTheMidstOfPictures(t *testing.T) {
	t.Parallel()
	c := long.make(t)
	for name, from := range map[string]int{"from the start": 0, "later": 60} {
		t.Run(name, func(t *testing.T) {
			var ps [][]byte
			pictures, at := 0, 0
			for _, p := range packetsOf(bytes.Clone(c.ts)) {
				if pidOf(p) == videoPID {
					at++
					if p[1]&0x40 != 0 {
						pictures++
						at = 0
					}
					if at == 2 && pictures > from && p[3]&0x20 == 0 {
						ps = append(ps, padded(p)...)
						continue
					}
				}
				ps = append(ps, p)
			}
			recount(ps, videoPID)
			var r recorder
			demux(t, r.options(), bytes.Join(ps, nil), 1316)
			whole := map[string]bool{}
			for _, p := range of(c.source, "video") {
				whole[p.Hash] = true
			}
			video := r.of(media.Video)
			cut := slices.DeleteFunc(slices.Clone(video), func(u media.AccessUnit) bool { return whole[hash(u.Data)] })
			missing := len(of(c.source, "video")) - len(video)
			if from == 0 && (len(cut) > 0 || missing > 0 || len(r.warnings) > 0) {
				t.Errorf("%d pictures were cut, %d are missing; %v", len(cut), missing, r.warnings)
			}
			if from > 0 && (len(cut) != 1 || missing < 1 || missing > 25 || len(r.told(mpegts.Damaged)) != 1) {
				t.Errorf("%d pictures were cut, %d are missing; %v: want one, and the rest up to the next keyframe", len(cut), missing, r.warnings)
			}
		})
	}
}
