package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parsed returns what a command line comes to, without running it.
func parsed(t *testing.T, args ...string) (*commands, error) {
	t.Helper()
	var root commands
	parser, err := newParser(&root, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parse(parser, args)
	return &root, err
}

func config(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shoal.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheCommandLineWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	file := config(t, "rtmp: 127.0.0.1:1\nidle: 7s\n")
	got := func(args ...string) string {
		t.Helper()
		root, err := parsed(t, append([]string{"up", "--config", file}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		if root.Up.Idle != 7*time.Second {
			t.Errorf("idle from the file is %s", root.Up.Idle)
		}
		return root.Up.RTMP
	}
	if rtmp := got(); rtmp != "127.0.0.1:1" {
		t.Errorf("the file gives %s", rtmp)
	}
	t.Setenv("SHOAL_RTMP", "127.0.0.1:2")
	if rtmp := got(); rtmp != "127.0.0.1:2" {
		t.Errorf("the environment gives %s", rtmp)
	}
	if rtmp := got("--rtmp", "127.0.0.1:3"); rtmp != "127.0.0.1:3" {
		t.Errorf("the command line gives %s", rtmp)
	}
}

func TestMistakesInTheFileAreNamed(t *testing.T) {
	for content, want := range map[string]string{
		"rtpm: x\n":          `unknown key "rtpm"`,
		"log-level: loud\n":  "log-level",
		"idle: soon\n":       "idle",
		"rtmp: [\n":          "shoal.yaml",
		"config: other\n":    `unknown key "config"`,
		"rtmp:\n  addr: x\n": `unknown key "rtmp.addr"`,
	} {
		_, err := parsed(t, "up", "--config", config(t, content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q in it", content, err, want)
		}
	}
}

// sampleConfig is the file that is shipped for people to begin from.
const sampleConfig = "../../deploy/shoal.yaml"

func TestTheSampleConfigurationSaysEveryDefaultOfUp(t *testing.T) {
	keys, err := loadConfig(sampleConfig, true)
	if err != nil {
		t.Fatal(err)
	}
	var root commands
	parser, err := newParser(&root, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var up *kong.Node
	for _, n := range parser.Model.Children {
		if n.Name == "up" {
			up = n
		}
	}
	flags := append(append([]*kong.Flag{}, parser.Model.Flags...), up.Flags...)
	for _, f := range flags {
		if f.Name == "help" || f.Name == "config" {
			continue
		}
		value, ok := keys[f.Name]
		if !ok {
			t.Errorf("%s lacks %s", sampleConfig, f.Name)
		} else if value != f.Default {
			t.Errorf("%s says %s: %q, the default is %q", sampleConfig, f.Name, value, f.Default)
		}
		delete(keys, f.Name)
	}
	for key := range keys {
		t.Errorf("%s has %s, which up does not", sampleConfig, key)
	}
}

func TestLinksAreThoseThatTheWorldUses(t *testing.T) {
	const id = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for _, c := range []struct{ http, publish, public, watch, rtmp string }{
		{"http://127.0.0.1:8080", "rtmp://127.0.0.1:1935/live", "", "http://127.0.0.1:8080/live/a#" + id, "rtmp://127.0.0.1:1935/live/a?key=k"},
		{"http://127.0.0.1:8080", "rtmp://127.0.0.1:1935/live", "https://tv.example.org/", "https://tv.example.org/live/a#" + id, "rtmp://tv.example.org:1935/live/a?key=k"},
		{"https://[::1]:8443", "rtmps://[::1]:1936/live", "https://[2001:db8::1]:444", "https://[2001:db8::1]:444/live/a#" + id, "rtmps://[2001:db8::1]:1936/live/a?key=k"},
	} {
		l := linksOf(c.http, c.publish, c.public)
		if got := l.watchURL("a", id); got != c.watch {
			t.Errorf("watch %s, want %s", got, c.watch)
		}
		if got := l.publishURL("a", "k"); got != c.rtmp {
			t.Errorf("publish %s, want %s", got, c.rtmp)
		}
	}
	for addr, want := range map[string]string{":1935": "127.0.0.1:1935", "0.0.0.0:1": "127.0.0.1:1", "[::]:2": "127.0.0.1:2", "10.0.0.1:3": "10.0.0.1:3"} {
		if got := reachable(addr); got != want {
			t.Errorf("%s is reached at %s, want %s", addr, got, want)
		}
	}
}

func TestAmountsHaveUnits(t *testing.T) {
	for s, want := range map[string]int{"60Mbit": 7_500_000, "256MB": 256_000_000, "1.5kB": 1500, "8kbit": 1000, "7B": 7, "1 GB": 1_000_000_000} {
		if got, err := parseBytes("--x", s); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "60", "fast", "-1MB", "0B", "NaNMB", "1e99GB", "InfMB"} {
		if got, err := parseBytes("--x", s); err == nil || !strings.Contains(err.Error(), "--x") {
			t.Errorf("%q is %d, %v", s, got, err)
		}
	}
}
