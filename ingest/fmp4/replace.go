package fmp4

import (
	"fmt"
	"strings"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// visualSampleEntry is how long a VisualSampleEntry is before its boxes (ISO/IEC 14496-12
// clause 12.1.3).
const visualSampleEntry = 8 + 70

// ReplaceVideo returns an init segment of a Chunker's with another video track in place of
// its own, and the same audio. codecs and frameRate are what was said of the original.
func ReplaceVideo(init []byte, codecs string, frameRate float64, video media.Config) (*Init, error) {
	info, err := codec.Parse(video)
	if err != nil {
		return nil, err
	}
	audio, err := trakOf(init, audioTrack)
	if err != nil {
		return nil, err
	}
	out := makeInit(&info, nil)
	out.FrameRate = frameRate
	if audio == nil {
		return out, nil
	}
	_, sound, ok := strings.Cut(codecs, ",")
	if !ok {
		return nil, fmt.Errorf("%w: it has audio, which its codecs %q lack", ErrContents, codecs)
	}
	out.Codecs += "," + sound
	out.Data = writeInit(
		func(w *boxes) { videoTrak(w, &info) },
		func(w *boxes) { w.bytes(audio) },
	)
	return out, nil
}

// VideoOf reads what the init segment of a Chunker's says of its pictures; ErrContents where
// it has none.
func VideoOf(init []byte) (codec.Info, error) {
	all, err := trakOf(init, videoTrack)
	if err != nil {
		return codec.Info{}, err
	}
	r := boxReader{rest: all}
	trak := r.open("trak")
	trak.open("tkhd")
	mdia := trak.open("mdia")
	mdia.open("mdhd")
	mdia.open("hdlr")
	minf := mdia.open("minf")
	minf.open("vmhd")
	minf.open("dinf")
	stbl := minf.open("stbl")
	stsd := stbl.open("stsd")
	stsd.take(4 + 4)
	kind, body, _ := stsd.next()
	if stsd.err != nil {
		return codec.Info{}, stsd.err
	}
	entry := boxReader{rest: body}
	entry.take(visualSampleEntry)
	_, record, _ := entry.next()
	if entry.err != nil {
		return codec.Info{}, entry.err
	}
	return codec.Parse(media.Config{Codec: media.Codec(kind), Record: record})
}

// trakOf returns a track's trak box, nil where there is no such track.
func trakOf(init []byte, track uint32) ([]byte, error) {
	r := boxReader{rest: init}
	r.open("ftyp")
	moov := r.open("moov")
	for moov.err == nil && len(moov.rest) > 0 {
		kind, body, all := moov.next()
		if kind != "trak" {
			continue
		}
		trak := boxReader{rest: body}
		tkhd := trak.open("tkhd")
		tkhd.take(4 + 8)
		if id := tkhd.u32(); tkhd.err == nil && id == track {
			return all, nil
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return nil, moov.err
}
