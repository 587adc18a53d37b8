package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/internal/datadir"
)

// links makes the URLs that people are given. Each base has no slash at its end.
type links struct {
	Watch   string `json:"watch"`        // http://127.0.0.1:8080
	Publish string `json:"publish"`      // rtmp://127.0.0.1:1935/live
	SRT     string `json:"srt,omitzero"` // srt://127.0.0.1:8890, and ?passphrase=… where there is one; empty: no SRT
}

// watchURL returns the link to hand out: it carries the stream's id, so that pages
// can tell the creator's stream from another of the same name.
func (l links) watchURL(name event.StreamName, id event.StreamID) string {
	return fmt.Sprintf("%s/live/%s#%s", l.Watch, name, id)
}

// publishURL returns what an encoder publishes to, key included.
func (l links) publishURL(name event.StreamName, key string) string {
	return fmt.Sprintf("%s/%s?key=%s", l.Publish, name, url.QueryEscape(key))
}

// srtURL returns what an encoder publishes to over SRT, key included; empty without SRT.
func (l links) srtURL(name event.StreamName, key string) string {
	u, err := url.Parse(l.SRT)
	if err != nil || l.SRT == "" {
		return ""
	}
	q := u.Query()
	q.Set("streamid", fmt.Sprintf("#!::r=%s,m=publish,s=%s", name, key))
	u.RawQuery = q.Encode()
	return u.String()
}

// linksOf makes links from the base URLs that a node listens on. publicURL, when set,
// is how the world reaches the HTTP side, and its host the RTMP side.
func linksOf(http, publish, publicURL string) links {
	l := links{Watch: http, Publish: publish}
	public, err := url.Parse(publicURL)
	if err != nil || public.Hostname() == "" {
		return l
	}
	l.Watch = strings.TrimRight(publicURL, "/")
	l.Publish = onHost(publish, public.Hostname())
	return l
}

// onHost gives an address with a port another host.
func onHost(address, host string) string {
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		return address
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

// reachable turns a listening address into one that a program on this machine can
// connect to: an unspecified host becomes the loopback address.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// checkPublicURL refuses what could not stand in front of a link.
func checkPublicURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--public-url %q must be like https://live.example.org", s)
	}
	return nil
}

// linksFile remembers the links of the last run, for commands that are used while
// nothing runs.
const linksFile = "links.json"

func saveLinks(dir *datadir.Dir, l links) error {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("write links: %w", err)
	}
	if err := atomicfile.Write(dir.Path(linksFile), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write links: %w", err)
	}
	return nil
}

// savedLinks returns the links that the instance on data uses, or used last, or
// fallback when it has never run.
func savedLinks(data string, fallback links) (links, error) {
	b, err := os.ReadFile(filepath.Join(data, linksFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fallback, nil
	}
	if err != nil {
		return links{}, fmt.Errorf("read links: %w", err)
	}
	var l links
	if err := json.Unmarshal(b, &l); err != nil {
		return links{}, fmt.Errorf("read %s: %w", filepath.Join(data, linksFile), err)
	}
	return l, nil
}
