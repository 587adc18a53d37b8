package fmp4

import (
	"math"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// Track ids: a track keeps its own whichever tracks are there.
const (
	videoTrack = 1
	audioTrack = 2
)

// makeInit writes the initialization segment of the given tracks, either of which may
// be nil. It holds no times and nothing of this machine.
func makeInit(video, audio *codec.Info) *Init {
	out := &Init{}
	var videoBox, audioBox func(*boxes)
	if video != nil {
		videoBox = func(w *boxes) { videoTrak(w, video) }
		out.Codecs = video.String
		out.Width, out.Height, out.FrameRate = video.Width, video.Height, video.FrameRate
	}
	if audio != nil {
		audioBox = func(w *boxes) { audioTrak(w, audio) }
		if out.Codecs != "" {
			out.Codecs += ","
		}
		out.Codecs += audio.String
		out.SampleRate, out.Channels = audio.SampleRate, audio.Channels
	}
	out.Data = writeInit(videoBox, audioBox)
	return out
}

// writeInit writes ftyp and moov around the tracks' trak boxes; nil leaves a track out.
func writeInit(video, audio func(*boxes)) []byte {
	var w boxes
	w.box("ftyp", func() {
		w.text("iso6")
		w.u32(1)
		w.text("iso6mp41")
	})
	w.box("moov", func() {
		movieHeader(&w)
		for _, trak := range []func(*boxes){video, audio} {
			if trak != nil {
				trak(&w)
			}
		}
		w.box("mvex", func() {
			if video != nil {
				trackExtends(&w, videoTrack)
			}
			if audio != nil {
				trackExtends(&w, audioTrack)
			}
		})
	})
	return w.b
}

func movieHeader(w *boxes) {
	w.full("mvhd", 0, 0, func() {
		w.zero(8) // creation and modification time: none, equal settings give equal bytes
		w.u32(event.Timescale)
		w.u32(0)          // duration: told by the fragments
		w.u32(0x00010000) // rate 1
		w.u16(0x0100)     // volume 1
		w.zero(10)
		matrix(w)
		w.zero(24)
		w.u32(audioTrack + 1) // next track id
	})
}

func matrix(w *boxes) {
	for _, v := range [9]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000} {
		w.u32(v)
	}
}

func trackExtends(w *boxes, id uint32) {
	w.full("trex", 0, 0, func() {
		w.u32(id)
		w.u32(1) // sample description
		w.zero(12)
	})
}

func trackHeader(w *boxes, id uint32, volume uint16, width, height uint32) {
	w.full("tkhd", 0, 3, func() { // enabled, in movie
		w.zero(8)
		w.u32(id)
		w.zero(4 + 4 + 8)
		w.u16(0) // layer
		w.u16(0) // alternate group: both tracks play
		w.u16(volume)
		w.zero(2)
		matrix(w)
		w.u32(width)
		w.u32(height)
	})
}

func mediaBoxes(w *boxes, timescale uint32, handler, name string, header, description func()) {
	w.box("mdia", func() {
		w.full("mdhd", 0, 0, func() {
			w.zero(8)
			w.u32(timescale)
			w.u32(0)
			w.u16(0x55c4) // language "und"
			w.zero(2)
		})
		w.full("hdlr", 0, 0, func() {
			w.zero(4)
			w.text(handler)
			w.zero(12)
			w.text(name)
			w.u8(0)
		})
		w.box("minf", func() {
			header()
			w.box("dinf", func() {
				w.full("dref", 0, 0, func() {
					w.u32(1)
					w.full("url ", 0, 1, func() {})
				})
			})
			w.box("stbl", func() {
				w.full("stsd", 0, 0, func() {
					w.u32(1)
					description()
				})
				w.full("stts", 0, 0, func() { w.u32(0) })
				w.full("stsc", 0, 0, func() { w.u32(0) })
				w.full("stsz", 0, 0, func() { w.zero(8) })
				w.full("stco", 0, 0, func() { w.u32(0) })
			})
		})
	})
}

func videoTrak(w *boxes, v *codec.Info) {
	w.box("trak", func() {
		width := float64(v.Width)
		if v.Aspect.W > 0 {
			width = math.Min(math.Round(width*float64(v.Aspect.W)/float64(v.Aspect.H)), math.MaxUint16)
		}
		trackHeader(w, videoTrack, 0, uint32(width)<<16, uint32(v.Height)<<16)
		mediaBoxes(w, event.Timescale, "vide", "video", func() {
			w.full("vmhd", 0, 1, func() { w.zero(8) })
		}, func() { videoEntry(w, v) })
	})
}

func videoEntry(w *boxes, v *codec.Info) {
	w.box(string(v.Codec), func() {
		w.zero(6)
		w.u16(1) // data reference
		w.zero(16)
		w.u16(uint16(v.Width))
		w.u16(uint16(v.Height))
		w.u32(0x00480000) // 72 dpi, as every writer says
		w.u32(0x00480000)
		w.zero(4)
		w.u16(1) // frames a sample
		w.zero(32)
		w.u16(0x18) // depth
		w.u16(0xffff)
		record := map[media.Codec]string{media.H264: "avcC", media.HEVC: "hvcC", media.AV1: "av1C"}[v.Codec]
		w.box(record, func() { w.bytes(v.Record) })
		if v.Aspect.W > 0 {
			w.box("pasp", func() {
				w.u32(uint32(v.Aspect.W))
				w.u32(uint32(v.Aspect.H))
			})
		}
		if v.Color.Primaries > 0 {
			w.box("colr", func() {
				w.text("nclx")
				w.u16(uint16(v.Color.Primaries))
				w.u16(uint16(v.Color.Transfer))
				w.u16(uint16(v.Color.Matrix))
				if v.Color.FullRange {
					w.u8(0x80)
				} else {
					w.u8(0)
				}
			})
		}
	})
}

func audioTrak(w *boxes, a *codec.Info) {
	w.box("trak", func() {
		trackHeader(w, audioTrack, 0x0100, 0, 0)
		mediaBoxes(w, uint32(a.Timescale), "soun", "audio", func() {
			w.full("smhd", 0, 0, func() { w.zero(4) })
		}, func() { audioEntry(w, a) })
	})
}

func audioEntry(w *boxes, a *codec.Info) {
	w.box(string(a.Codec), func() {
		w.zero(6)
		w.u16(1)
		w.zero(8)
		w.u16(uint16(a.Channels))
		w.u16(16)
		w.zero(4)
		rate := uint32(a.SampleRate)
		if rate > math.MaxUint16 {
			rate = 0 // does not fit; the codec's own record tells
		}
		w.u32(rate << 16)
		if a.Codec == media.Opus {
			w.box("dOps", func() { w.bytes(a.Record) })
			return
		}
		w.full("esds", 0, 0, func() { elementaryStream(w, a.Record) })
	})
}

// elementaryStream writes an ES_Descriptor (ISO/IEC 14496-1 clause 7.2.6.5) around an
// AudioSpecificConfig, its descriptors nested from the inside out.
func elementaryStream(w *boxes, asc []byte) {
	descriptor := func(tag byte, body []byte) []byte {
		n := len(body)
		return append([]byte{tag, byte(n>>21) | 0x80, byte(n>>14) | 0x80, byte(n>>7) | 0x80, byte(n) & 0x7f}, body...)
	}
	decoder := []byte{
		0x40,                            // MPEG-4 audio
		5<<2 | 1,                        // an audio stream
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // buffer size and bit rates are not known
	}
	decoder = append(decoder, descriptor(5, asc)...)
	es := []byte{0, audioTrack, 0}
	es = append(es, descriptor(4, decoder)...)
	es = append(es, descriptor(6, []byte{2})...) // SLConfig as MP4 prescribes
	w.bytes(descriptor(3, es))
}
