package fmp4

import (
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// sample is an access unit in its place.
type sample struct {
	kind     media.Kind
	key      bool
	dts, pts event.Ticks // on the epoch's timeline
	// decode is what the file says: video's decode time, drawn back over a gap, or
	// audio's count of samples. duration is in the same units.
	decode   int64
	duration int64
	data     []byte
	arrived  time.Time
}

// Sample flags (ISO/IEC 14496-12 clause 8.8.3.1).
const (
	flagsKey    = 0x02000000 // depends on no other
	flagsNonKey = 0x01010000 // depends on others, is no sync sample
)

// Sizes of what fragment writes, headers of boxes included.
const (
	moofFixed   = 8 + 16           // moof, mfhd
	trafFixed   = 8 + 20 + 20 + 20 // traf, tfhd, tfdt, trun without its samples
	mdatFixed   = 8
	maxPerFrame = 16 // bytes a sample has at most in trun
	maxOverhead = moofFixed + 2*trafFixed + mdatFixed + 8
)

// manyKeys reports whether a picture other than the first can start decoding, so that
// each needs flags of its own.
func manyKeys(video []sample) bool {
	for i := range video {
		if i > 0 && video[i].key {
			return true
		}
	}
	return false
}

// evenDurations reports whether one default duration does for all.
func evenDurations(audio []sample) bool {
	for i := range audio {
		if audio[i].duration != audio[0].duration {
			return false
		}
	}
	return true
}

// fragment writes moof and mdat of the samples, whose decode and duration are set.
func fragment(sequence uint32, video, audio []sample) []byte {
	perVideo, perAudio := 12, 8
	if manyKeys(video) {
		perVideo = 16
	}
	even := evenDurations(audio)
	if even {
		perAudio = 4
	}
	moof := moofFixed
	if len(video) > 0 {
		moof += trafFixed + perVideo*len(video)
		if perVideo == 12 {
			moof += 4 // the first sample's flags
		}
	}
	if len(audio) > 0 {
		moof += trafFixed + perAudio*len(audio)
		if even {
			moof += 4 // the default duration
		}
	}
	videoBytes := 0
	for i := range video {
		videoBytes += len(video[i].data)
	}
	payload := videoBytes
	for i := range audio {
		payload += len(audio[i].data)
	}
	w := boxes{b: make([]byte, 0, moof+mdatFixed+payload)}
	w.box("moof", func() {
		w.full("mfhd", 0, 0, func() { w.u32(sequence) })
		if len(video) > 0 {
			videoTraf(&w, video, perVideo == 16, moof+mdatFixed)
		}
		if len(audio) > 0 {
			audioTraf(&w, audio, even, moof+mdatFixed+videoBytes)
		}
	})
	w.box("mdat", func() {
		for i := range video {
			w.bytes(video[i].data)
		}
		for i := range audio {
			w.bytes(audio[i].data)
		}
	})
	return w.b
}

// Flags of tfhd and trun (ISO/IEC 14496-12 clauses 8.8.7 and 8.8.8).
const (
	tfhdDefaultDuration = 0x8
	tfhdDefaultFlags    = 0x20
	tfhdBaseIsMoof      = 0x20000
	trunDataOffset      = 0x1
	trunFirstFlags      = 0x4
	trunDuration        = 0x100
	trunSize            = 0x200
	trunFlags           = 0x400
	trunComposition     = 0x800
)

func videoTraf(w *boxes, video []sample, flagsEach bool, offset int) {
	w.box("traf", func() {
		w.full("tfhd", 0, tfhdBaseIsMoof|tfhdDefaultFlags, func() {
			w.u32(videoTrack)
			w.u32(flagsNonKey)
		})
		w.full("tfdt", 1, 0, func() { w.u64(uint64(video[0].decode)) })
		flags := uint32(trunDataOffset | trunDuration | trunSize | trunComposition)
		if flagsEach {
			flags |= trunFlags
		} else {
			flags |= trunFirstFlags
		}
		w.full("trun", 1, flags, func() {
			w.u32(uint32(len(video)))
			w.u32(uint32(offset))
			if !flagsEach {
				w.u32(sampleFlags(video[0].key))
			}
			for i := range video {
				s := &video[i]
				w.u32(uint32(s.duration))
				w.u32(uint32(len(s.data)))
				if flagsEach {
					w.u32(sampleFlags(s.key))
				}
				w.u32(uint32(int32(int64(s.pts) - s.decode)))
			}
		})
	})
}

func audioTraf(w *boxes, audio []sample, even bool, offset int) {
	w.box("traf", func() {
		flags := uint32(tfhdBaseIsMoof | tfhdDefaultFlags)
		if even {
			flags |= tfhdDefaultDuration
		}
		w.full("tfhd", 0, flags, func() {
			w.u32(audioTrack)
			if even {
				w.u32(uint32(audio[0].duration))
			}
			w.u32(flagsKey)
		})
		w.full("tfdt", 1, 0, func() { w.u64(uint64(audio[0].decode)) })
		flags = trunDataOffset | trunSize
		if !even {
			flags |= trunDuration
		}
		w.full("trun", 0, flags, func() {
			w.u32(uint32(len(audio)))
			w.u32(uint32(offset))
			for i := range audio {
				if !even {
					w.u32(uint32(audio[i].duration))
				}
				w.u32(uint32(len(audio[i].data)))
			}
		})
	})
}

func sampleFlags(key bool) uint32 {
	if key {
		return flagsKey
	}
	return flagsNonKey
}
