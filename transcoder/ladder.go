package transcoder

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shoalcast/shoal/event"
)

// Step is one rendition of a ladder.
type Step struct {
	Rendition event.Rendition
	Height    int // the picture's shorter side; the other follows from the source's
	Bitrate   int // of the video, bit/s
}

// Ladder is the renditions that are made of a source, the largest first.
type Ladder []Step

// Usual is the ladder of whoever asks for one without saying which.
const Usual = "720p,480p,360p"

const (
	maxSteps   = 6
	minHeight  = 90
	maxHeight  = 2160
	minBitrate = 50_000
	maxBitrate = 50_000_000
)

// usualBitrates are what talking heads and games look well at, with H.264 made in one pass
// and in haste; between them it goes by the picture's area.
var usualBitrates = []struct{ height, bitrate int }{
	{2160, 12_000_000},
	{1440, 8_000_000},
	{1080, 5_000_000},
	{720, 2_800_000},
	{540, 1_800_000},
	{480, 1_400_000},
	{360, 800_000},
	{240, 400_000},
	{160, 200_000},
	{minHeight, 100_000},
}

// ParseLadder reads a ladder as it stands in a configuration: "on" for the usual one, "off"
// or nothing for none, or steps such as "720p, 480p@1.2Mbit, 360p", the bitrate being the
// video's. Renditions are called v1, v2 and so on from the largest down.
func ParseLadder(s string) (Ladder, error) {
	s = strings.Trim(strings.TrimSpace(s), "[]") // a YAML list is as good
	switch s {
	case "", "off", "false":
		return nil, nil
	case "on", "true":
		s = Usual
	}
	var l Ladder
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		step, err := parseStep(word)
		if err != nil {
			return nil, err
		}
		l = append(l, step)
	}
	if len(l) > maxSteps {
		return nil, fmt.Errorf("a ladder has at most %d steps, this one has %d", maxSteps, len(l))
	}
	slices.SortStableFunc(l, func(a, b Step) int { return b.Height - a.Height })
	for i := range l {
		if i > 0 && l[i].Height == l[i-1].Height {
			return nil, fmt.Errorf("the ladder has two steps of %dp", l[i].Height)
		}
		l[i].Rendition = event.Rendition("v" + strconv.Itoa(i+1))
	}
	return l, nil
}

func parseStep(word string) (Step, error) {
	height, bitrate, given := strings.Cut(strings.ToLower(word), "@")
	lines, err := strconv.Atoi(strings.TrimSuffix(height, "p"))
	if err != nil || lines < minHeight || lines > maxHeight {
		return Step{}, fmt.Errorf("%q is no step of a ladder: write its height, %dp to %dp, and if you like its bitrate, as in 720p@2.5Mbit", word, minHeight, maxHeight)
	}
	step := Step{Height: lines &^ 1, Bitrate: usualBitrate(lines)}
	if !given {
		return step, nil
	}
	number, unit := strings.TrimRight(bitrate, "bitkms/"), bitrate[len(strings.TrimRight(bitrate, "bitkms/")):]
	factor, known := map[string]float64{"k": 1e3, "kbit": 1e3, "kbit/s": 1e3, "m": 1e6, "mbit": 1e6, "mbit/s": 1e6, "": 1, "bit": 1, "bit/s": 1}[unit]
	value, err := strconv.ParseFloat(number, 64)
	if possible := value*factor >= minBitrate && value*factor <= maxBitrate; err != nil || !known || !possible {
		return Step{}, fmt.Errorf("%q has no bitrate that can be: write it as in 720p@2.5Mbit, between 50kbit and 50Mbit", word)
	}
	step.Bitrate = int(value * factor)
	return step, nil
}

func usualBitrate(height int) int {
	for i, u := range usualBitrates {
		if height >= u.height {
			if i == 0 {
				return u.bitrate
			}
			above := usualBitrates[i-1]
			share := float64(height*height-u.height*u.height) / float64(above.height*above.height-u.height*u.height)
			return u.bitrate + int(share*float64(above.bitrate-u.bitrate))
		}
	}
	return usualBitrates[len(usualBitrates)-1].bitrate
}

// Below returns the steps that are smaller than a source whose shorter side is height: nothing
// is made larger than it came.
func (l Ladder) Below(height int) Ladder {
	i := slices.IndexFunc(l, func(s Step) bool { return s.Height < height })
	if i < 0 {
		return nil
	}
	return l[i:]
}

func (l Ladder) String() string {
	words := make([]string, len(l))
	for i, s := range l {
		words[i] = fmt.Sprintf("%dp@%dkbit", s.Height, s.Bitrate/1000)
	}
	return strings.Join(words, ",")
}
