package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

func TestSessionKeysRotateInMidEpochUnseenByViewers(t *testing.T) {
	t.Parallel()
	i := up(t, "--session-length", "10s")
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	sum, file := watch(t, s.Watch, "--seconds", "22")
	if sum.PiecesRejected != 0 || *sum.Stalls != 0 {
		t.Errorf("watch says %+v", sum)
	}
	decodes(t, file)
	if n := len(i.manifest("concert").Sessions); n < 3 {
		t.Errorf("%d session records in 22 s of 10 s keys", n)
	}
	i.stop()
	verifyChain(t, i.data, event.StreamID(s.ID))
}

// certify writes a self-signed certificate for 127.0.0.1 with the given serial number.
func certify(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "shoal test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{key: {Type: "PRIVATE KEY", Bytes: keyDER}, cert: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithACertificateBothSidesSpeakTLSAndItIsReloaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certify(t, cert, key, 1)
	i := up(t, "--tls-cert", cert, "--tls-key", key, "--rtmps", "127.0.0.1:0")
	insecure := &tls.Config{InsecureSkipVerify: true} // the test's own certificate
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	res, err := client.Get(i.at.HTTP + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("the origin speaks %s over TLS", res.Proto)
	}

	s := i.addStream("concert")
	if !strings.HasPrefix(s.Watch, "https://") {
		t.Errorf("the link is %s", s.Watch)
	}
	_, keyPart, _ := strings.Cut(s.RTMP, "?")
	publishLoop(t, i.at.RTMPS+"/concert?"+keyPart, rtmptest.Encoding{Video: media.H264}, rtmptest.PublishOptions{Options: rtmptest.Options{TLS: insecure}})
	waitFor(t, 15*time.Second, "the RTMPS publish to be live", func() bool {
		res, err := client.Get(i.at.HTTP + "/live/concert/v0/index.m3u8")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})

	certify(t, cert, key, 2)
	waitFor(t, 10*time.Second, "the new certificate", func() bool {
		c, err := tls.Dial("tcp", strings.TrimPrefix(i.at.HTTP, "https://"), insecure)
		if err != nil {
			return false
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64() == 2
	})
}

func TestSIGHUPReadsTheLogLevelAndStreamsAgain(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "shoal.yaml")
	write := func(level string) {
		if err := os.WriteFile(config, []byte("log-level: "+level+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("error")
	i := &instance{t: t, data: filepath.Join(t.TempDir(), "data"), args: []string{"--config", config}, quiet: true}
	i.start()
	t.Cleanup(i.kill)
	if contains(i.log, "level=INFO") {
		t.Errorf("at level error the log says %s", i.log)
	}
	write("info")
	if err := i.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 10*time.Second, "the reload", func() bool { return contains(i.log, "reloaded") })

	// A stream whose files were put back, rather than one made by a command.
	backup := filepath.Join(t.TempDir(), "data")
	i.shoal("stream", "add", "restored", "--data", backup)
	files, err := filepath.Glob(filepath.Join(backup, "keys", "*restored*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the backup's files are %v (%v)", files, err)
	}
	for _, file := range files {
		if err := os.Rename(file, filepath.Join(i.data, "keys", filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, _ := i.get("/live/restored/manifest.json"); status != http.StatusNotFound {
		t.Errorf("before the reload the stream answers %d", status)
	}
	if err := i.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 10*time.Second, "the stream to be known", func() bool {
		status, _, _ := i.get("/live/restored/manifest.json")
		return status == http.StatusOK
	})
}

func TestUnlistedStreamsPlayButAreNotListed(t *testing.T) {
	t.Parallel()
	i := up(t)
	i.shoal("stream", "add", "hidden", "--data", i.data, "--unlisted")
	i.addStream("shown")
	_, body, _ := i.get("/api/v1/streams")
	if !bytes.Contains(body, []byte("shown")) || bytes.Contains(body, []byte("hidden")) {
		t.Errorf("the list is %s", body)
	}
	if status, _, _ := i.get("/live/hidden/manifest.json"); status != http.StatusOK {
		t.Errorf("the unlisted stream's manifest answers %d", status)
	}
}

func TestKeysOutliveTheMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := filepath.Join(dir, "here"), filepath.Join(dir, "there")
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, stderr, code := runShoal(t, args...)
		if code != 0 {
			t.Fatalf("shoal %v: exit %d: %s", args, code, stderr)
		}
		return out
	}
	run("stream", "add", "concert", "--data", here)
	backup := filepath.Join(dir, "keys.age")
	run("keys", "export", backup, "--data", here, "--passphrase-file", pass)
	run("keys", "import", backup, "--data", there, "--passphrase-file", pass)
	if a, b := run("keys", "show", "--data", here), run("keys", "show", "--data", there); a != b || !strings.Contains(a, "concert") {
		t.Errorf("%q became %q", a, b)
	}
	before := run("stream", "list", "--data", there, "--json")
	run("stream", "rotate-key", "concert", "--data", there)
	if after := run("stream", "list", "--data", there, "--json"); after == before {
		t.Error("rotating the key changed nothing")
	}
	run("stream", "rm", "concert", "--yes", "--data", there)
	if list := run("stream", "list", "--data", there); strings.Contains(list, "concert") {
		t.Errorf("after rm the list is %s", list)
	}
}

func TestAChangedKeyDisconnectsWhoeverPublishesWithTheOldOne(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	p := publish(t, s)
	i.live("concert")
	i.shoal("stream", "rotate-key", "concert", "--data", i.data)
	if code := p.wait(t, 15*time.Second); code == 0 {
		t.Error("the publisher with the old key ended as if all were well")
	}
}
