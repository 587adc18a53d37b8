// Package codec reads the configuration records that publishers send: how large the
// picture is, how fast it runs, what a browser calls the codec. It reads no more of
// the bitstream than that, bounds everything, and trusts nothing.
package codec

import (
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/ingest/media"
)

// Info is what a configuration record says about its track. Fields that do not apply
// to the codec, or that the record does not tell, are zero.
type Info struct {
	Codec  media.Codec
	String string // RFC 6381, such as avc1.64001f
	Record []byte // the record as it goes into the sample description

	Width, Height int     // of the decoded picture, after cropping
	FrameRate     float64 // frames a second, if the stream states a plausible one
	Aspect        Aspect  // shape of a sample
	Interlaced    bool    // pictures may be of two fields, which the camera took one after the other
	Color         Color

	SampleRate   int // of the decoded sound, in Hz
	Channels     int
	Timescale    int // units a second in which FrameSamples counts
	FrameSamples int // length of a frame; 0 where each packet tells (Opus)
}

// Aspect is a sample's width to its height; zero when not told or square.
type Aspect struct{ W, H int }

// Color holds the code points of ISO/IEC 23091-2; Primaries is 0 when not told.
type Color struct {
	Primaries, Transfer, Matrix int
	FullRange                   bool
}

// Bounds of what is believed.
const (
	maxRecord    = 64 << 10
	maxDimension = 16384
	maxFrameRate = 480
)

var errShort = errors.New("it ends early")

// Parse reads a track's configuration record.
func Parse(cfg media.Config) (Info, error) {
	if len(cfg.Record) > maxRecord {
		return Info{}, fmt.Errorf("read %s configuration: %d bytes, at most %d are allowed", cfg.Codec, len(cfg.Record), maxRecord)
	}
	info := Info{Codec: cfg.Codec, Record: cfg.Record}
	var err error
	switch cfg.Codec {
	case media.H264:
		err = parseAVC(&info)
	case media.HEVC:
		err = parseHEVC(&info)
	case media.AV1:
		err = parseAV1(&info)
	case media.AAC:
		err = parseAAC(&info)
	case media.Opus:
		err = parseOpus(&info)
	default:
		err = errors.New("no such codec here")
	}
	if err != nil {
		return Info{}, fmt.Errorf("read %s configuration: %w", cfg.Codec, err)
	}
	return info, nil
}

func checkPicture(i *Info) error {
	if i.Width <= 0 || i.Height <= 0 || i.Width > maxDimension || i.Height > maxDimension {
		return fmt.Errorf("a picture of %d × %d", i.Width, i.Height)
	}
	return nil
}

func frameRate(num, den uint64) float64 {
	if num == 0 || den == 0 {
		return 0
	}
	r := float64(num) / float64(den)
	if r < 1 || r > maxFrameRate {
		return 0
	}
	return r
}
