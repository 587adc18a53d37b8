package bus

import (
	"testing"
	"time"
)

func TestATroubleThatLastsIsToldAtOnceAndThenLessAndLess(t *testing.T) {
	var g grumble
	start := time.Unix(1000, 0)
	var told []time.Duration
	for at := time.Duration(0); at < time.Hour; at += 100 * time.Millisecond {
		if g.due(start.Add(at)) {
			told = append(told, at)
		}
	}
	if len(told) < 15 || len(told) > 25 || told[0] != 0 || told[1] != time.Second || told[2] != 3*time.Second {
		t.Errorf("in an hour it was told at %v", told)
	}
}
