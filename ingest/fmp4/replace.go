package fmp4

import (
	"fmt"
	"strings"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// ReplaceVideo returns an init segment of a Chunker's with another video track in place of
// its own, and the same audio. codecs and frameRate are what was said of the original.
func ReplaceVideo(init []byte, codecs string, frameRate float64, video media.Config) (*Init, error) {
	info, err := codec.Parse(video)
	if err != nil {
		return nil, err
	}
	audio, err := audioTrakOf(init)
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

// audioTrakOf returns an init segment's audio trak box, nil where it has none.
func audioTrakOf(init []byte) ([]byte, error) {
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
		if id := tkhd.u32(); tkhd.err == nil && id == audioTrack {
			return all, nil
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return nil, moov.err
}
