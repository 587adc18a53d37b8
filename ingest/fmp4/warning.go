package fmp4

import "github.com/shoalcast/shoal/ingest/media"

// Code tells warnings apart, for logs and counters.
type Code = media.Code

// What a Chunker repairs or drops.
const (
	ClockJump      Code = "clock_jump"    // timestamps leapt; the timeline was joined
	BackwardTime   Code = "backward_time" // a decode time not after the one before
	BadPresentTime Code = "bad_pts"       // a presentation time before decode time, or far from it
	AudioDrift     Code = "audio_drift"   // the audio's length and its timestamps disagree
	NoConfig       Code = "no_config"     // access units of a track nobody described
	NotDecodable   Code = "not_decodable" // pictures that no keyframe goes before
	TooLarge       Code = "too_large"     // an access unit over the piece limit
	Malformed      Code = "malformed"     // an access unit that cannot be one
	ConfigChange   Code = "config_change" // access units between new parameters and a keyframe
	TrackStopped   Code = "track_stopped" // one track fell silent and the other went on
	LateTrack      Code = "late_track"    // a track was described after pieces had begun
	EarlyAudio     Code = "early_audio"   // audio long before the first picture
)

// Warning is something a Chunker repaired or dropped, in a sentence for the log.
type Warning = media.Warning
