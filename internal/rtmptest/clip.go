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

// unit is an access unit with its codec.
type unit struct {
	codec media.Codec
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
func (c *Clip) units() []unit {
	var us []unit
	for _, t := range c.tracks() {
		for _, u := range t.Units {
			us = append(us, unit{codec: t.Config.Codec, AccessUnit: u})
		}
	}
	sort.SliceStable(us, func(i, j int) bool { return us[i].DTS < us[j].DTS })
	return us
}

// Send sends the whole clip as fast as it goes, its times shifted by offset.
func (c *Client) SendClip(clip *Clip, offset event.Ticks) error {
	for _, t := range clip.tracks() {
		if err := c.Config(t.Config, uint32(floorMS(offset))); err != nil {
			return err
		}
	}
	for _, u := range clip.units() {
		u.DTS += offset
		u.PTS += offset
		if err := c.Push(u.codec, u.AccessUnit); err != nil {
			return err
		}
	}
	return nil
}
