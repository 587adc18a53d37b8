package srt

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
)

// Address is where a pull calls.
type Address struct {
	Host       string // with its port
	StreamID   string // as sent; at most 512 bytes
	Passphrase string // 10 to 79 bytes, or none
	Latency    time.Duration
	Program    uint16 // to take of a transport stream with several; 0: the first that can be
}

// maxLatency bounds what an address may ask for: receive buffers hold no more.
const maxLatency = 10 * time.Second

// ParseURL reads srt://host:port?streamid=…&passphrase=…&latency=…&program=…, the latency
// in milliseconds as the SRT tools have it, the program as in stream ids. What else it says must not contradict: the
// mode is caller, the transtype live. Its errors do not show the passphrase.
func ParseURL(s string) (Address, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Address{}, errors.New("the address is no URL") // url's error would show all of it
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Address{}, errors.New("the query of the SRT address is wrong")
	}
	a := Address{Host: u.Host, StreamID: q.Get("streamid"), Passphrase: q.Get("passphrase"), Latency: defaultLatency}
	if _, port, err := net.SplitHostPort(u.Host); u.Scheme != "srt" || err != nil || u.Hostname() == "" || port == "" {
		return Address{}, errors.New("an SRT address is srt://host:port?streamid=…")
	}
	switch m := q.Get("mode"); {
	case m != "" && m != "caller":
		return Address{}, fmt.Errorf("the mode %q is not possible: pulling is calling (mode=caller)", m)
	case len(a.StreamID) > libsrt.MaxStreamID:
		return Address{}, fmt.Errorf("the stream id has more than %d bytes", libsrt.MaxStreamID)
	case q.Get("transtype") != "" && q.Get("transtype") != "live":
		return Address{}, errors.New("only transtype=live is possible")
	}
	if v := q.Get("latency"); v != "" {
		ms, err := strconv.ParseUint(v, 10, 31)
		if err != nil || time.Duration(ms)*time.Millisecond > maxLatency {
			return Address{}, fmt.Errorf("the latency %q is not 0 to %d, milliseconds", v, maxLatency/time.Millisecond)
		}
		a.Latency = time.Duration(ms) * time.Millisecond
	}
	if v := q.Get("program"); v != "" {
		if a.Program, err = parseProgram(v); err != nil {
			return Address{}, err
		}
	}
	return a, checkPassphrase(a.Passphrase)
}
