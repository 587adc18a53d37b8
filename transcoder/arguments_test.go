package transcoder

import (
	"strings"
	"testing"
)

// Of two fields one picture is made before it is scaled, which would blur both into each
// other. Where there are none, no picture waits for the next one, as that takes.
func TestFieldsBecomePicturesBeforeTheyAreScaled(t *testing.T) {
	l, err := ParseLadder("480p,360p")
	if err != nil {
		t.Fatal(err)
	}
	if g := graph(l, true); !strings.HasPrefix(g, "[0:v:0]yadif=mode=send_frame:deint=interlaced,scale=") || strings.Count(g, "yadif") != 1 {
		t.Errorf("of fields: %s", g)
	}
	if g := graph(l, false); strings.Contains(g, "yadif") {
		t.Errorf("of pictures: %s", g)
	}
}
