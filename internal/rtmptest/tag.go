package rtmptest

import (
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
)

// ticksPerMS is how many Ticks RTMP's millisecond has.
const ticksPerMS = event.Timescale / 1000

// configMessage makes the message of a sequence start: classic tags for H.264 and
// AAC, FourCC for the others (E-RTMP v2, "Enhanced Audio" and "Enhanced Video").
func configMessage(c media.Config, ms uint32) (chunkStream uint32, m chunk.Message) {
	var b []byte
	switch c.Codec {
	case media.H264:
		b = []byte{0x17, 0, 0, 0, 0}
	case media.AAC:
		b = []byte{0xAF, 0}
	case media.Opus:
		b = []byte{0x90, 'O', 'p', 'u', 's'}
	default:
		b = append([]byte{0x90}, c.Codec...) // ex header, key frame, sequence start
	}
	return message(c.Codec.Kind(), append(b, c.Record...), ms)
}

// unitMessage makes the message of an access unit, its payload appended to b.
func unitMessage(b []byte, codec media.Codec, u media.AccessUnit) (chunkStream uint32, m chunk.Message) {
	frameType := byte(2)
	if u.Key {
		frameType = 1
	}
	// Both times are rounded before they are subtracted, so that neither drifts.
	ms := floorMS(u.DTS)
	ct := int32(floorMS(u.PTS) - ms)
	const codedFrames, codedFramesX = 1, 3
	switch codec {
	case media.H264:
		b = append(b, frameType<<4|7, 1, byte(ct>>16), byte(ct>>8), byte(ct))
	case media.AAC:
		b = append(b, 0xAF, 1)
	case media.Opus:
		b = append(b, 0x91, 'O', 'p', 'u', 's')
	case media.AV1:
		b = append(append(b, 0x80|frameType<<4|codedFrames), codec...)
	default:
		if ct == 0 {
			b = append(append(b, 0x80|frameType<<4|codedFramesX), codec...)
		} else {
			b = append(append(b, 0x80|frameType<<4|codedFrames), codec...)
			b = append(b, byte(ct>>16), byte(ct>>8), byte(ct))
		}
	}
	return message(u.Kind, append(b, u.Data...), uint32(ms))
}

func floorMS(t event.Ticks) int64 {
	if t < 0 {
		return -int64((-t + ticksPerMS - 1) / ticksPerMS)
	}
	return int64(t / ticksPerMS)
}

func message(k media.Kind, payload []byte, ms uint32) (uint32, chunk.Message) {
	m := chunk.Message{Type: chunk.TypeVideo, Timestamp: ms, StreamID: streamID, Payload: payload}
	if k == media.Audio {
		m.Type = chunk.TypeAudio
		return audioChunks, m
	}
	return videoChunks, m
}
