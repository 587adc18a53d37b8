package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shoalcast/shoal/keyring"
	"github.com/shoalcast/shoal/manifest"
)

// Every flag is looked at before anything is opened, so that a mistake costs a sentence
// and nothing else.

const (
	minPiece     = 160 * time.Millisecond
	maxPiece     = 500 * time.Millisecond
	minIdle      = time.Second
	maxIdle      = time.Hour
	minWindow    = 10 * time.Second
	maxWindow    = 10 * time.Minute
	minRetention = time.Minute
	minFresh     = time.Second
	minArchive   = 10 * time.Second
	maxArchive   = 2 * time.Minute
)

// checked are flags that can say what is wrong with them.
type checked interface{ check() error }

// checkAll refuses the first mistake.
func checkAll(flags ...checked) error {
	for _, f := range flags {
		if err := f.check(); err != nil {
			return refused(err)
		}
	}
	return nil
}

func (f dataFlags) check() error {
	if f.Data == "" {
		return errors.New("--data must name a directory")
	}
	return nil
}

func (f busFlags) check() error {
	if f.NATSCreds != "" && f.NATS == "" {
		return errors.New("--nats-creds needs --nats: the embedded server makes its own credentials")
	}
	return checkAddress("--nats-listen", f.NATSListen)
}

// checkSRT refuses what libsrt would.
func checkSRT(f ingestFlags) error {
	if n := len(f.SRTPass); n != 0 && (n < 10 || n > 79) {
		return fmt.Errorf("--srt-passphrase has %d bytes: it must have 10 to 79", n)
	}
	return between("--srt-latency", f.SRTLatency, 20*time.Millisecond, 8*time.Second)
}

func (f ingestFlags) check() error {
	_, rate := parseBytes("--max-bitrate", f.MaxBitrate)
	return first(
		checkAddress("--rtmp", f.RTMP),
		checkAddress("--rtmps", f.RTMPS),
		checkAddress("--srt", f.SRT),
		checkSRT(f),
		between("--piece", f.Piece, minPiece, maxPiece),
		between("--idle", f.Idle, minIdle, maxIdle),
		rate,
	)
}

func (f retentionFlags) check() error {
	if f.Retention < minRetention {
		return fmt.Errorf("--retention %s must be at least %s", short(f.Retention), short(minRetention))
	}
	return nil
}

func (f keyFlags) check() error {
	return first(
		between("--session-length", f.SessionLength, keyring.MinLength, manifest.MaxSession),
		between("--fresh", f.Fresh, minFresh, manifest.MaxFresh),
	)
}

func (f originFlags) check() error {
	_, most := parseBytes("--window-max", f.WindowMax)
	return first(between("--window", f.Window, minWindow, maxWindow), most, checkConsent(f.Consent))
}

// consents are the values of --consent; pages know what they mean.
var consents = []string{"ask", "share", "download", "edge"}

func checkConsent(s string) error {
	if !slices.Contains(consents, s) {
		return fmt.Errorf("--consent %q must be ask, share, download or edge", s)
	}
	return nil
}

func (f archiveFlags) check() error {
	_, most := parseBytes("--archive-max", f.ArchiveMax)
	return first(checkArchiveWindow(f.ArchiveWindow), between("--archive-age", f.ArchiveAge, time.Minute, 100*365*24*time.Hour), most)
}

func checkArchiveWindow(d time.Duration) error {
	if d == 0 {
		return nil
	}
	return between("--archive-window", d, minArchive, maxArchive)
}

// keeps refuses to forget entries that viewers can still ask for.
type keeps struct{ retention, window time.Duration }

func (k keeps) check() error {
	if k.retention < k.window {
		return fmt.Errorf("--retention %s must not be shorter than --window %s", short(k.retention), short(k.window))
	}
	return nil
}

func (f httpFlags) check() error {
	return first(checkAddress("--http", f.HTTP), checkPublicURL(f.PublicURL))
}

func (f tlsFlags) check() error {
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together: name both files")
	}
	return nil
}

func (f traceFlags) check() error {
	if f.Trace == "" {
		return nil
	}
	u, err := url.Parse(f.Trace)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--trace %q must be like http://127.0.0.1:4318", f.Trace)
	}
	return nil
}

// viewersIn refuses a service for viewers that has no address for them.
type viewersIn string

func (h viewersIn) check() error {
	if h == "" {
		return errors.New("--http must name an address: viewers come in there")
	}
	return nil
}

func checkAddress(flag, addr string) error {
	if addr == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%s %q must be an address like 127.0.0.1:8080 or :8080", flag, addr)
	}
	return nil
}

func between(flag string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s %s must be between %s and %s", flag, short(d), short(least), short(most))
	}
	return nil
}

// short writes 24h0m0s as 24h.
func short(d time.Duration) string {
	s := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, end) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// first returns the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
