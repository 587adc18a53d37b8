package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func find(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check of %s in %v", name, checks)
	return Check{}
}

func TestAMachineThatMakeSetupPreparedCanRunShoal(t *testing.T) {
	data := filepath.Join(t.TempDir(), "not", "yet")
	checks := Run(t.Context(), Options{Data: data, Ports: []Port{{"--rtmp", "tcp", "127.0.0.1:0"}, {"--srt", "udp", "127.0.0.1:0"}, {"--rtmps", "tcp", ""}}})
	for _, name := range []string{"data directory", "--rtmp", "--srt", "ffmpeg"} {
		if c := find(t, checks, name); c.Status != OK || c.Do != "" {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range checks {
		if c.What == "" || (c.Status == OK) != (c.Do == "") {
			t.Errorf("%+v: what is wrong comes with what to do, and only then", c)
		}
		if c.Name == "--rtmps" {
			t.Error("checked an address that nobody listens on")
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(data)), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}

func TestATakenPortIsNamedWithItsFlag(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := Port{"--http", "tcp", l.Addr().String()}
	if c := port(t.Context(), p, false); c.Status != Fail || !strings.Contains(c.Do, "--http") || !strings.Contains(c.What, p.Addr) {
		t.Errorf("%+v", c)
	}
	if c := port(t.Context(), p, true); c.Status != OK {
		t.Errorf("while our own instance runs: %+v", c)
	}
}

func TestADataDirectoryThatCannotBeIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	checks := Run(t.Context(), Options{Data: filepath.Join(file, "data")})
	if c := find(t, checks, "data directory"); c.Status != Fail || !strings.Contains(c.Do, "--data") {
		t.Errorf("%+v", c)
	}
	if !Failed(checks) {
		t.Error("a failed check did not fail the whole")
	}
}

func TestMeasuresBecomeAdvice(t *testing.T) {
	ms := time.Millisecond
	now := released.AddDate(1, 0, 0)
	for _, c := range []struct {
		got  Check
		want Status
	}{
		{judgeSpace(100<<30, "/"), OK},
		{judgeSpace(5<<30, "/"), Warn},
		{judgeSpace(1<<20, "/"), Fail},
		{judgeSpeed(200e6, 2*ms, "/"), OK},
		{judgeSpeed(5e6, 2*ms, "/"), Warn},
		{judgeSpeed(200e6, 60*ms, "/"), Warn},
		{judgeSpeed(200e6, 300*ms, "/"), Fail},
		{judgeFiles(65536), OK},
		{judgeFiles(4096), Warn},
		{judgeFiles(256), Fail},
		{judgeClock(synced, now, released), OK},
		{judgeClock(unknown, now, released), OK},
		{judgeClock(unsynced, now, released), Warn},
		{judgeClock(synced, time.Unix(0, 0), released), Fail},
		{judgeFFmpeg("ffmpeg version 5.1.9 Copyright (c)\nbuilt with gcc", " V....D libx264 H.264\n A....D aac AAC\n"), OK},
		{judgeFFmpeg("ffmpeg version 5.1.9 Copyright (c)", " V....D libx265 HEVC\n A....D aac AAC\n"), Warn},
		{judgeFFmpeg("ffmpeg version 5.1.9", ""), Warn},
	} {
		if c.got.Status != c.want || (c.want == OK) != (c.got.Do == "") {
			t.Errorf("%+v, want %v", c.got, c.want)
		}
	}
}

func TestACancelledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c := find(t, Run(ctx, Options{Data: t.TempDir()}), "disk speed"); c.Status != Fail {
		t.Errorf("%+v", c)
	}
}

func TestChecksArePrintedForPeopleAndPrograms(t *testing.T) {
	checks := []Check{{Name: "clock", What: "synchronized"}, {Name: "open files", Status: Warn, What: "at most 1024 at once", Do: "raise it"}}
	var out bytes.Buffer
	if err := Write(&out, checks); err != nil {
		t.Fatal(err)
	}
	want := "ok    clock       synchronized\nwarn  open files  at most 1024 at once\n                  → raise it\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if err := WriteJSON(&out, checks); err != nil {
		t.Fatal(err)
	}
	var back []map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || len(back) != 2 || back[1]["status"] != "warn" {
		t.Errorf("read back %v, %v", back, err)
	}
}
