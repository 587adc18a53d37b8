package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/shoalcast/shoal/internal/obs"
)

// certificate serves a certificate from files and reads them again when they change,
// so that renewals need no restart. A renewal that cannot be read leaves the old one.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	cert    *tls.Certificate
	stamp   time.Time // newest modification time of the files when read
	checked time.Time
}

// checkEvery bounds how often handshakes look at the files.
const checkEvery = time.Second

// loadTLS returns nil when neither file is named.
func loadTLS(f tlsFlags, log *slog.Logger) (*certificate, error) {
	if f.TLSCert == "" && f.TLSKey == "" {
		return nil, nil
	}
	c := &certificate{certFile: f.TLSCert, keyFile: f.TLSKey, log: log}
	if err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) reload() error {
	stamp, err := c.modified()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s and key %s: %w", c.certFile, c.keyFile, err)
	}
	c.cert, c.stamp = &pair, stamp
	return nil
}

func (c *certificate) modified() (time.Time, error) {
	var newest time.Time
	for _, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return newest, fmt.Errorf("read certificate: %w", err)
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= checkEvery {
		c.checked = now
		if stamp, err := c.modified(); err == nil && !stamp.Equal(c.stamp) {
			if err := c.reload(); err != nil {
				c.log.Warn("the new certificate cannot be used, the old one stays", obs.KeyError, err)
			} else {
				c.log.Info("certificate reloaded", obs.KeyPath, c.certFile)
			}
		}
	}
	return c.cert, nil
}

func (c *certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: protocols}
}

// pinned is for clients in this process: they take this very certificate and no other,
// whatever it is for.
func (c *certificate) pinned() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			own, err := c.get(nil)
			if err != nil {
				return err
			}
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Certificate[0]) {
				return errors.New("it has not this process's certificate")
			}
			return nil
		},
	}
}
