package ffmpeg

import (
	"errors"
	"strings"
	"testing"
)

func TestAMachineWithoutFFmpegIsToldWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Find()
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install ffmpeg") {
		t.Errorf("it says %v", err)
	}
}

func TestTheVersionIsKnown(t *testing.T) {
	t.Parallel()
	v, err := find(t).Version(t.Context())
	if err != nil || v.Text == "" {
		t.Fatalf("it is %+v, %v", v, err)
	}
	for out, want := range map[string]Version{
		"ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026": {"5.1.9-0+deb12u1", 5, 1},
		"ffmpeg version n7.1 Copyright":                          {"n7.1", 7, 1},
		"ffmpeg version N-118193-g5f38c82536 Copyright":          {"N-118193-g5f38c82536", 0, 0},
	} {
		if got, ok := parseVersion(out); !ok || got != want {
			t.Errorf("%q is %+v, %t", out, got, ok)
		}
	}
	if _, ok := parseVersion("another program"); ok {
		t.Error("another program is taken for ffmpeg")
	}
	if !(Version{Major: 7, Minor: 1}).AtLeast(6, 1) || !(Version{Major: 6, Minor: 1}).AtLeast(6, 1) || (Version{Major: 6}).AtLeast(6, 1) || !(Version{}).AtLeast(6, 1) {
		t.Error("versions are in another order")
	}
}
