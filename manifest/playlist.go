package manifest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/event"
)

// View is all that a media playlist depends on.
type View struct {
	Name      event.StreamName
	Rendition event.Rendition
	Entries   []Entry // the window, in order, without holes, from a segment's start
	Ended     bool    // nothing follows for now: the last segment is whole, no next part is hinted at
}

// MediaOptions are what a player's request may ask for.
type MediaOptions struct {
	Skip bool // a delta update (_HLS_skip=YES)
}

// Distances from the end of a playlist (RFC 8216bis sections 4.4.3.8 and 4.4.4.9).
const (
	partsUntil = 3 * TargetDuration * event.Timescale
	skipUntil  = 6 * TargetDuration * event.Timescale
)

// segment is a run of entries with one media sequence number.
type segment struct {
	entries []Entry
	dur     event.Ticks
	toEnd   event.Ticks // media between its end and the playlist's
	whole   bool
}

// MediaPlaylist writes a rendition's low-latency HLS playlist: a pure function of
// entries, so that every origin writes the same bytes. URIs are relative to the
// playlist: init/<root>.mp4, <epoch>/<n>.m4s, seg/<msn>.m4s. A part that was lost is
// marked GAP=YES; a segment of which nothing is left has EXT-X-GAP, one of which
// something is left is served without what is missing.
func MediaPlaylist(v View, o MediaOptions) []byte {
	segments := v.segments()
	var target event.Ticks
	for _, e := range v.Entries {
		target = max(target, e.Target)
	}
	b := make([]byte, 0, 1024+160*len(v.Entries))
	b = append(b, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:"...)
	b = strconv.AppendInt(b, TargetDuration, 10)
	b = append(b, "\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK="...)
	b = appendSeconds(b, 3*target)
	b = append(b, ",HOLD-BACK="...)
	b = appendSeconds(b, partsUntil)
	b = append(b, ",CAN-SKIP-UNTIL="...)
	b = appendSeconds(b, skipUntil)
	b = append(b, "\n#EXT-X-PART-INF:PART-TARGET="...)
	b = appendSeconds(b, target)
	b = append(b, "\n#EXT-X-MEDIA-SEQUENCE:"...)
	if len(segments) == 0 {
		return append(b, "0\n"...)
	}
	first := segments[0].entries[0]
	b = strconv.AppendUint(b, first.MSN, 10)
	b = append(b, "\n#EXT-X-DISCONTINUITY-SEQUENCE:"...)
	b = strconv.AppendUint(b, first.DSN, 10)
	b = append(b, '\n')
	skipped := 0
	if o.Skip {
		for skipped < len(segments) && segments[skipped].toEnd >= skipUntil {
			skipped++
		}
	}
	if skipped > 0 {
		b = append(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS="...)
		b = strconv.AppendInt(b, int64(skipped), 10)
		b = append(b, '\n')
	}
	for i := skipped; i < len(segments); i++ {
		var before *Entry
		if i > 0 {
			before = &segments[i-1].entries[0]
		}
		b = segments[i].append(b, before)
	}
	if last := v.Entries[len(v.Entries)-1]; !v.Ended {
		b = append(b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI="...)
		b = appendPiece(b, last.Epoch, last.N+1)
		b = append(b, '\n')
	}
	return b
}

func (v View) segments() []segment {
	var out []segment
	for i := 0; i < len(v.Entries); {
		j := i
		s := segment{}
		for j < len(v.Entries) && v.Entries[j].MSN == v.Entries[i].MSN {
			s.dur += v.Entries[j].Dur
			j++
		}
		s.entries = v.Entries[i:j]
		s.whole = j < len(v.Entries) || v.Ended
		out = append(out, s)
		i = j
	}
	var end event.Ticks
	for i := len(out) - 1; i >= 0; i-- {
		out[i].toEnd = end
		end += out[i].dur
	}
	return out
}

// append writes the segment's lines; before is the first entry of the one before it.
func (s segment) append(b []byte, before *Entry) []byte {
	first := s.entries[0]
	if before != nil && before.DSN != first.DSN {
		b = append(b, "#EXT-X-DISCONTINUITY\n"...)
	}
	if before == nil || before.Init != first.Init || before.DSN != first.DSN {
		b = append(b, `#EXT-X-MAP:URI="init/`...)
		b = hex.AppendEncode(b, first.Init[:])
		b = append(b, ".mp4\"\n"...)
	}
	b = append(b, "#EXT-X-PROGRAM-DATE-TIME:"...)
	b = time.UnixMilli(first.At).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z\n")
	gaps := 0
	for _, e := range s.entries {
		if e.Gap {
			gaps++
		}
		if s.toEnd < partsUntil {
			b = e.appendPart(b)
		}
	}
	if !s.whole {
		return b
	}
	if gaps == len(s.entries) {
		b = append(b, "#EXT-X-GAP\n"...)
	}
	b = append(b, "#EXTINF:"...)
	b = appendSeconds(b, s.dur)
	b = append(b, ",\nseg/"...)
	b = strconv.AppendUint(b, first.MSN, 10)
	return append(b, ".m4s\n"...)
}

func (e Entry) appendPart(b []byte) []byte {
	b = append(b, "#EXT-X-PART:DURATION="...)
	b = appendSeconds(b, e.Dur)
	b = append(b, ",URI="...)
	b = appendPiece(b, e.Epoch, e.N)
	if e.Key {
		b = append(b, ",INDEPENDENT=YES"...)
	}
	if e.Gap {
		b = append(b, ",GAP=YES"...)
	}
	return append(b, '\n')
}

func appendPiece(b []byte, epoch event.Epoch, n uint64) []byte {
	b = append(b, '"')
	b = strconv.AppendInt(b, int64(epoch), 10)
	b = append(b, '/')
	b = strconv.AppendUint(b, n, 10)
	return append(b, `.m4s"`...)
}

// appendSeconds writes ticks as decimal seconds, to the nearest 10 µs, in integers
// only: the same everywhere.
func appendSeconds(b []byte, t event.Ticks) []byte {
	const perSecond = 100_000
	v := (int64(t)*2*perSecond + event.Timescale) / (2 * event.Timescale)
	b = strconv.AppendInt(b, v/perSecond, 10)
	b = append(b, '.')
	for digit := int64(perSecond / 10); digit > 0; digit /= 10 {
		b = append(b, byte('0'+v/digit%10))
	}
	return b
}

// Variant describes a rendition in the multivariant playlist.
type Variant struct {
	Rendition        event.Rendition
	Codecs           string // RFC 6381
	Width, Height    int    // 0 when there is no picture
	FrameRate        float64
	Bandwidth        int64 // bit/s, peak of a segment
	AverageBandwidth int64 // bit/s
}

// MultivariantPlaylist lists renditions in the order given; URIs are
// <rendition>/index.m3u8.
func MultivariantPlaylist(renditions []Variant) []byte {
	b := []byte("#EXTM3U\n#EXT-X-VERSION:9\n")
	for _, v := range renditions {
		b = fmt.Appendf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%d", max(1, v.Bandwidth))
		if v.AverageBandwidth > 0 {
			b = fmt.Appendf(b, ",AVERAGE-BANDWIDTH=%d", v.AverageBandwidth)
		}
		if v.Codecs != "" {
			b = fmt.Appendf(b, ",CODECS=%q", v.Codecs)
		}
		if v.Width > 0 && v.Height > 0 {
			b = fmt.Appendf(b, ",RESOLUTION=%dx%d", v.Width, v.Height)
		}
		if v.FrameRate > 0 {
			b = fmt.Appendf(b, ",FRAME-RATE=%.3f", v.FrameRate)
		}
		// Without it Shaka looks for captions in segments, of which a stream in its first
		// seconds has none that is whole.
		b = fmt.Appendf(b, ",CLOSED-CAPTIONS=NONE\n%s/index.m3u8\n", v.Rendition)
	}
	return b
}

// Answer says what a server does with a blocking playlist request.
type Answer int

// The three answers: serve now, hold the request, or refuse it (400).
const (
	Ready Answer = iota
	Hold
	Refuse
)

// Answers decides a request with _HLS_msn=msn and, unless part is negative,
// _HLS_part=part (RFC 8216bis section 6.2.5.2). A part past the end of its segment means
// the next segment's first.
func (v View) Answers(msn uint64, part int64) Answer {
	if len(v.Entries) == 0 {
		return Hold
	}
	last := v.Entries[len(v.Entries)-1]
	switch {
	case last.MSN > msn,
		last.MSN == msn && part < 0 && v.Ended,
		last.MSN == msn && part >= 0 && last.Part >= uint64(part):
		return Ready
	case msn > last.MSN+2:
		return Refuse
	}
	return Hold
}
