package transcoder

import (
	"strings"
	"testing"
)

func TestLaddersAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"off":                            "",
		"on":                             "720p@2800kbit,480p@1400kbit,360p@800kbit",
		"360p, 720p@2.5Mbit 480":         "720p@2500kbit,480p@1400kbit,360p@800kbit",
		"[1080p 540p@900k]":              "1080p@5000kbit,540p@900kbit",
		"720p@2500000":                   "720p@2500kbit",
		"600p":                           "600p@2101kbit",
		"2160p,1440p,1080p,720p,480p,90": "2160p@12000kbit,1440p@8000kbit,1080p@5000kbit,720p@2800kbit,480p@1400kbit,90p@100kbit",
	} {
		l, err := ParseLadder(in)
		if err != nil || l.String() != want {
			t.Errorf("%q is read as %s (%v), want %s", in, l, err, want)
		}
		for i, s := range l {
			if string(s.Rendition) != "v"+string(rune('1'+i)) {
				t.Errorf("%q: step %d is called %s", in, i, s.Rendition)
			}
		}
	}
}

func TestLaddersThatCannotBe(t *testing.T) {
	for in, why := range map[string]string{
		"720p,720p@1M":                    "two steps of 720p",
		"hd":                              "no step of a ladder",
		"50p":                             "no step of a ladder",
		"9000p":                           "no step of a ladder",
		"720p@":                           "no bitrate",
		"720p@fast":                       "no bitrate",
		"720p@1G":                         "no bitrate",
		"720p@1bit":                       "no bitrate",
		"90p,91p,92p,94p,96p,98p,100p":    "at most 6",
		"720p@NaN":                        "no bitrate",
		"720p@-1M":                        "no bitrate",
		"1080p;720p":                      "no step of a ladder",
		"480p@99999999999999999999999999": "no bitrate",
	} {
		if l, err := ParseLadder(in); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q is read as %s (%v)", in, l, err)
		}
	}
}

func TestNothingIsMadeLargerThanItCame(t *testing.T) {
	l, err := ParseLadder("on")
	if err != nil {
		t.Fatal(err)
	}
	for height, want := range map[int]int{1080: 3, 721: 3, 720: 2, 480: 1, 361: 1, 360: 0, 0: 0} {
		if got := l.Below(height); len(got) != want || want > 0 && got[want-1].Rendition != "v3" {
			t.Errorf("of %dp come %s", height, got)
		}
	}
}

// Whatever a configuration says is a ladder that can be made, or refused.
func FuzzParseLadder(f *testing.F) {
	for _, s := range []string{"on", "off", "720p@2.5Mbit,480p", "[1080p 540p@900k]", "@", "p@kbit"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLadder(s)
		if err != nil {
			return
		}
		for i, step := range l {
			if step.Height%2 != 0 || step.Height < minHeight || step.Height > maxHeight || step.Bitrate < minBitrate || step.Bitrate > maxBitrate {
				t.Fatalf("%q: step %+v", s, step)
			}
			if i > 0 && step.Height >= l[i-1].Height {
				t.Fatalf("%q: %s is out of order", s, l)
			}
		}
		if again, err := ParseLadder(l.String()); err != nil || len(again) != len(l) {
			t.Fatalf("%q: %s is read as %s (%v)", s, l, again, err)
		}
	})
}
