package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/seeder"
	"github.com/shoalcast/shoal/swarm/bt"
)

func TestPagesAreToldOfICEServersAsTheyReachThem(t *testing.T) {
	relay, err := bt.NewRelay(bt.RelayOptions{IP: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{running: datadir.Running{STUN: "stun:127.0.0.1:3478", TURN: "turn:127.0.0.1:3479"}}
	f := swarmFlags{ICEServers: "stun:stun.example.org, turns:me:a%3Ab%2C@turn.example.org:443?transport=tcp"}
	want := []seeder.ICEServer{
		{URLs: []string{"stun:[2001:db8::1]:3478"}},
		{URLs: []string{"stun:stun.example.org"}},
		{URLs: []string{"turns:turn.example.org:443?transport=tcp"}, Username: "me", Credential: "a:b,"},
	}
	if got := n.pageICE(f, "", nil)("[2001:db8::1]"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	got := n.pageICE(f, "203.0.113.7", relay)("page.example.org")
	if got[0].URLs[0] != "stun:203.0.113.7:3478" || got[1].URLs[0] != "turn:203.0.113.7:3479" || got[1].Username == "" || got[1].Credential == "" {
		t.Errorf("got %+v", got)
	}
	if got := stunOnly(f.ICEServers); len(got) != 1 || got[0] != "stun:stun.example.org" {
		t.Errorf("native peers use %v", got)
	}
}

func TestAWrongICEServerIsRefusedWithoutItsPassword(t *testing.T) {
	for _, bad := range []string{
		"turn:turn.example.org", "turn:user:secret@", "turn:user@host", "turn:user:%zz@host", "stun:user:secret@host", "stun:", "stun://host", "http://host", "host:3478",
	} {
		_, err := parseICEServers("--ice-servers", bad)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// writeCertificate makes a certificate for nothing in particular.
func writeCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"live.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: kder}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTheSeedTellsItsOwnTrackerByItsCertificateAndNoOther(t *testing.T) {
	load := func() *certificate {
		cert, key := writeCertificate(t)
		c, err := loadTLS(tlsFlags{cert, key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, others := load(), load()
	serve := func(c *certificate) string {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Listener = tls.NewListener(s.Listener, c.config()) // its own TLS has a certificate of its own
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
		s.Start()
		t.Cleanup(s.Close)
		return "https" + strings.TrimPrefix(s.URL, "http")
	}
	at := serve(ours)
	n := &node{cert: ours, running: datadir.Running{HTTP: at}}
	if n.trackerTLS("wss://tracker.example.org/announce") != nil {
		t.Error("other trackers need no certificate that is valid")
	}
	get := func(url string, c *tls.Config) error {
		transport := &http.Transport{TLSClientConfig: c}
		defer transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := transport.RoundTrip(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	}
	pinned := n.trackerTLS("wss" + strings.TrimPrefix(at, "https") + "/announce")
	if pinned == nil {
		t.Fatal("its own tracker is told as others are")
	}
	if err := get(at, pinned); err != nil {
		t.Error(err)
	}
	if err := get(serve(others), pinned); err == nil || !strings.Contains(err.Error(), "this process's certificate") {
		t.Errorf("another's certificate: %v", err)
	}
}
