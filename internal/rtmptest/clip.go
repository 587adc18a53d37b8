package rtmptest

import (
	"sort"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// Track is an encoded track.
type Track struct {
	Config media.Config
	Units  []media.AccessUnit // in decoding order
	End    event.Ticks        // where its last unit's time ends, in decoding time
}

// Clip is what ffmpeg encoded, in the form that a publisher sends. A track that is
// missing is nil.
type Clip struct {
	Video, Audio *Track
}

// Unit is an access unit with its codec.
type Unit struct {
	Codec media.Codec
	media.AccessUnit
}

// tracks lists the clip's tracks.
func (c *Clip) tracks() []*Track {
	var ts []*Track
	for _, t := range []*Track{c.Video, c.Audio} {
		if t != nil {
			ts = append(ts, t)
		}
	}
	return ts
}

// units interleaves the tracks by decoding time.
func (c *Clip) units() []Unit {
	var us []Unit
	for _, t := range c.tracks() {
		for _, u := range t.Units {
			us = append(us, Unit{Codec: t.Config.Codec, AccessUnit: u})
		}
	}
	sort.SliceStable(us, func(i, j int) bool { return us[i].DTS < us[j].DTS })
	return us
}

// Length is the decoding time of the video, or of the audio when there is none.
func (c *Clip) Length() event.Ticks {
	switch {
	case c.Video != nil:
		return c.Video.End
	case c.Audio != nil:
		return c.Audio.End
	}
	return 0
}

// Round lists the units interleaved by decoding time, their times shifted by offset.
// Audio beyond the clip's length is left out, so that rounds can follow one another.
func (c *Clip) Round(offset event.Ticks) []Unit {
	var us []Unit
	for _, u := range c.units() {
		if u.DTS < c.Length() {
			u.DTS += offset
			u.PTS += offset
			us = append(us, u)
		}
	}
	return us
}

// Configs sends the configurations of a clip's tracks.
func (c *Client) Configs(clip *Clip, at event.Ticks) error {
	for _, t := range clip.tracks() {
		if err := c.Config(t.Config, uint32(floorMS(at))); err != nil {
			return err
		}
	}
	return nil
}

// SendClip sends the whole clip as fast as it goes, its times shifted by offset.
func (c *Client) SendClip(clip *Clip, offset event.Ticks) error {
	if err := c.Configs(clip, offset); err != nil {
		return err
	}
	for _, u := range clip.units() {
		u.DTS += offset
		u.PTS += offset
		if err := c.Push(u.Codec, u.AccessUnit); err != nil {
			return err
		}
	}
	return nil
}
