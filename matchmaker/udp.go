package matchmaker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/event"
)

// The UDP tracker protocol, BEP 15: big-endian numbers at fixed places.
const (
	udpMagic = 0x41727101980

	actionConnect  = 0
	actionAnnounce = 1
	actionScrape   = 2
	actionError    = 3

	udpHead         = 16 // connection id, action, transaction id
	udpAnnounceSize = 98
	udpStopped      = 3 // of event
)

// udpRequest is one datagram to the tracker.
type udpRequest struct {
	connection  uint64
	action      uint32
	transaction uint32

	// Of an announce.
	infohash             event.InfoHash
	peer                 event.PeerID
	left                 int64
	downloaded, uploaded int64
	stopped              bool
	named                netip.Addr // invalid if none is named
	want                 int
	port                 uint16

	// Of a scrape.
	hashes []event.InfoHash
}

var (
	errNoRequest = errors.New("no request of the UDP tracker protocol")
	errAction    = errors.New("unknown action")
	errShort     = errors.New("short request")
)

// parseUDP reads a datagram. After errNoRequest nothing is to be answered; the other
// errors are for the peer, whose transaction is set.
func parseUDP(b []byte) (udpRequest, error) {
	if len(b) < udpHead {
		return udpRequest{}, errNoRequest
	}
	q := udpRequest{
		connection:  binary.BigEndian.Uint64(b),
		action:      binary.BigEndian.Uint32(b[8:]),
		transaction: binary.BigEndian.Uint32(b[12:]),
	}
	switch q.action {
	case actionConnect:
		if q.connection != udpMagic {
			return q, errNoRequest
		}
		return q, nil
	case actionAnnounce:
		// What follows its fixed part are extensions (BEP 41) that we have no use for.
		if len(b) < udpAnnounceSize {
			return q, errShort
		}
		q.infohash, q.peer = event.InfoHash(b[16:36]), event.PeerID(b[36:56])
		q.downloaded, q.left, q.uploaded = count(b[56:]), count(b[64:]), count(b[72:])
		q.stopped = binary.BigEndian.Uint32(b[80:]) == udpStopped
		if ip := [4]byte(b[84:88]); ip != [4]byte{} {
			q.named = netip.AddrFrom4(ip)
		}
		// b[88:92] is a key, to know a peer by that changes its address: we do not.
		q.want = want(int64(int32(binary.BigEndian.Uint32(b[92:]))))
		q.port = binary.BigEndian.Uint16(b[96:])
		return q, nil
	case actionScrape:
		n := (len(b) - udpHead) / len(event.InfoHash{})
		if n == 0 {
			return q, errShort
		}
		for i := range min(n, maxScrape) {
			q.hashes = append(q.hashes, event.InfoHash(b[udpHead+20*i:][:20]))
		}
		return q, nil
	}
	return q, errAction
}

// count reads a count of bytes; one too large to hold is the largest that is not.
func count(b []byte) int64 {
	return int64(min(binary.BigEndian.Uint64(b), math.MaxInt64))
}

func appendHead(action, transaction uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, action)
	return binary.BigEndian.AppendUint32(b, transaction)
}

func udpError(transaction uint32, err error) []byte {
	return append(appendHead(actionError, transaction), err.Error()...)
}

func udpConnected(transaction uint32, connection uint64) []byte {
	return binary.BigEndian.AppendUint64(appendHead(actionConnect, transaction), connection)
}

func udpAnnounced(transaction uint32, interval time.Duration, a answer) []byte {
	b := appendHead(actionAnnounce, transaction)
	b = binary.BigEndian.AppendUint32(b, uint32(interval.Seconds()))
	b = binary.BigEndian.AppendUint32(b, uint32(a.incomplete))
	b = binary.BigEndian.AppendUint32(b, uint32(a.complete))
	for _, p := range a.peers {
		b = appendAddr(b, p.addr)
	}
	return b
}

func udpScraped(transaction uint32, all []counts) []byte {
	b := appendHead(actionScrape, transaction)
	for _, c := range all {
		b = binary.BigEndian.AppendUint32(b, uint32(c.complete))
		b = binary.BigEndian.AppendUint32(b, uint32(c.downloaded))
		b = binary.BigEndian.AppendUint32(b, uint32(c.incomplete))
	}
	return b
}

// connectionLife is how long a connection id is good for at least; BEP 15 lets clients
// use one for a minute.
const connectionLife = time.Minute

// connectionID is what an address proves with that it receives what is sent to it. It
// is bound to the address and to the minute, so that nothing is kept for it.
func connectionID(secret []byte, a netip.Addr, now time.Time) uint64 {
	m := hmac.New(sha256.New, secret)
	b := a.As16()
	m.Write(b[:])
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/int64(connectionLife/time.Second))))
	return binary.BigEndian.Uint64(m.Sum(nil))
}

// connected reports whether an address was given this connection id lately.
func connected(secret []byte, a netip.Addr, id uint64, now time.Time) bool {
	got := binary.BigEndian.AppendUint64(nil, id)
	for _, t := range []time.Time{now, now.Add(-connectionLife)} {
		if hmac.Equal(got, binary.BigEndian.AppendUint64(nil, connectionID(secret, a, t))) {
			return true
		}
	}
	return false
}
