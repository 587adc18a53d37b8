package srt_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if !otherEnd() {
		goleak.VerifyTestMain(m)
	}
}
