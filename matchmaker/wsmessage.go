package matchmaker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/event"
)

// The WebTorrent tracker protocol: JSON objects over a WebSocket. There is no BEP of it;
// what stands here is what the bittorrent-tracker client sends and understands.
const (
	// maxMessage bounds one from a peer, in bytes.
	maxMessage = 64 << 10
	// maxOffers bounds those of one announce: stock clients make 5, older ones 10.
	maxOffers = 10
	// maxSDP bounds one session description: of data channels they are 1 to 4 kB.
	maxSDP = 16 << 10
)

// binary20 is 20 bytes as a string of as many characters, each up to U+00FF.
type binary20 [20]byte

var errBinary = errors.New("not a string of 20 characters from U+0000 to U+00FF")

func (b *binary20) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return errBinary
	}
	n := 0
	for _, c := range s {
		if n == len(b) || c > 0xff {
			return errBinary
		}
		b[n] = byte(c)
		n++
	}
	if n != len(b) {
		return errBinary
	}
	return nil
}

func (b binary20) MarshalJSON() ([]byte, error) {
	return json.Marshal(latin1(b)) //nolint:wrapcheck // of a string: it cannot fail
}

// session is a session description (RFC 8829) as browsers exchange it. Nothing else of an
// offer or answer is passed on.
type session struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

// wsOffer is one of an announce.
type wsOffer struct {
	id    [20]byte
	offer session
}

// wsMessage is what a peer sends: an announce, which may be an answer, or a scrape.
type wsMessage struct {
	action   string // announce or scrape
	infohash event.InfoHash

	// Of an announce.
	peer    event.PeerID
	left    int64 // event.LeftUnknown if it did not say
	stopped bool
	offers  []wsOffer // as many as are to be handed out

	// Of an answer.
	answer  *session
	to      event.PeerID
	offerID [20]byte

	// Of a scrape.
	hashes []event.InfoHash
}

// wsWire is a message as it stands on the wire.
type wsWire struct {
	Action   string          `json:"action"`
	InfoHash json.RawMessage `json:"info_hash"`
	PeerID   json.RawMessage `json:"peer_id"`
	Left     json.RawMessage `json:"left"`
	Event    json.RawMessage `json:"event"`
	NumWant  json.RawMessage `json:"numwant"`
	Offers   json.RawMessage `json:"offers"`
	Answer   json.RawMessage `json:"answer"`
	ToPeerID json.RawMessage `json:"to_peer_id"`
	OfferID  json.RawMessage `json:"offer_id"`
}

type wsOfferWire struct {
	OfferID json.RawMessage `json:"offer_id"`
	Offer   json.RawMessage `json:"offer"`
}

// parseWS reads a message. Its errors are sentences for the peer; the action and infohash
// are set as far as they could be read.
func parseWS(b []byte) (wsMessage, error) {
	var w wsWire
	if err := json.Unmarshal(b, &w); err != nil {
		return wsMessage{}, errors.New("a message must be a JSON object of the WebTorrent tracker protocol")
	}
	m := wsMessage{action: w.Action}
	switch w.Action {
	case "scrape":
		return m, m.readScrape(w)
	case "announce":
	default:
		return m, errors.New("action must be announce or scrape")
	}
	if err := readBinary("info_hash", w.InfoHash, (*binary20)(&m.infohash)); err != nil {
		return m, err
	}
	if err := readBinary("peer_id", w.PeerID, (*binary20)(&m.peer)); err != nil {
		return m, err
	}
	if said(w.Answer) {
		return m, m.readAnswer(w)
	}
	return m, m.readAnnounce(w)
}

func (m *wsMessage) readAnswer(w wsWire) (err error) {
	if m.answer, err = readSession("answer", w.Answer); err != nil {
		return err
	}
	if err := readBinary("to_peer_id", w.ToPeerID, (*binary20)(&m.to)); err != nil {
		return err
	}
	return readBinary("offer_id", w.OfferID, (*binary20)(&m.offerID))
}

func (m *wsMessage) readAnnounce(w wsWire) (err error) {
	if m.left, err = readCount("left", w.Left); err != nil {
		return err
	}
	var what string
	if said(w.Event) && json.Unmarshal(w.Event, &what) != nil {
		return errors.New("event must be a string")
	}
	m.stopped = what == "stopped"
	wanted := int64(maxOffers)
	if said(w.NumWant) {
		if wanted, err = readCount("numwant", w.NumWant); err != nil {
			return err
		}
	}
	var offers []wsOfferWire
	if said(w.Offers) && json.Unmarshal(w.Offers, &offers) != nil {
		return errors.New("offers must be a list of objects with offer and offer_id")
	}
	if len(offers) > maxOffers {
		return fmt.Errorf("an announce has at most %d offers", maxOffers)
	}
	for _, o := range offers {
		one := wsOffer{}
		if err := readBinary("offer_id", o.OfferID, (*binary20)(&one.id)); err != nil {
			return err
		}
		s, err := readSession("offer", o.Offer)
		if err != nil {
			return err
		}
		one.offer = *s
		m.offers = append(m.offers, one)
	}
	m.offers = m.offers[:min(int64(len(m.offers)), wanted)]
	return nil
}

// readScrape reads the infohash or the list of them.
func (m *wsMessage) readScrape(w wsWire) error {
	if readBinary("info_hash", w.InfoHash, (*binary20)(&m.infohash)) == nil {
		m.hashes = []event.InfoHash{m.infohash}
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(w.InfoHash, &list) != nil || len(list) == 0 || len(list) > maxScrape {
		return fmt.Errorf("a scrape names 1 to %d torrents by info_hash, each a string of 20 characters", maxScrape)
	}
	m.hashes = make([]event.InfoHash, len(list))
	for i, raw := range list {
		if err := readBinary("info_hash", raw, (*binary20)(&m.hashes[i])); err != nil {
			return err
		}
	}
	return nil
}

// said reports whether a member is there and not null, which is how JavaScript writes the
// numbers that JSON lacks.
func said(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func readBinary(name string, raw json.RawMessage, to *binary20) error {
	if err := to.UnmarshalJSON(raw); err != nil {
		*to = binary20{}
		return fmt.Errorf("%s must be a string of 20 characters, one for each byte", name)
	}
	return nil
}

// readCount reads a count of bytes or peers; one too large to hold is the largest that is not.
func readCount(name string, raw json.RawMessage) (int64, error) {
	if !said(raw) {
		return event.LeftUnknown, nil
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if (err != nil && !errors.Is(err, strconv.ErrRange)) || n < 0 {
		return 0, fmt.Errorf("%s must be a number, and not negative", name)
	}
	if n >= math.MaxInt64 {
		return math.MaxInt64, nil
	}
	return int64(math.Ceil(n)), nil
}

// readSession reads an offer or answer, as name says.
func readSession(name string, raw json.RawMessage) (*session, error) {
	var s session
	switch {
	case json.Unmarshal(raw, &s) != nil, s.Type != name, s.SDP == "":
		return nil, fmt.Errorf("%[1]s must be a session description: {\"type\":\"%[1]s\",\"sdp\":…}", name)
	case len(s.SDP) > maxSDP:
		return nil, fmt.Errorf("the session description of an %s has more than %d bytes", name, maxSDP)
	}
	return &s, nil
}

// wsAnnounced answers an announce.
type wsAnnounced struct {
	Action     string   `json:"action"`
	InfoHash   binary20 `json:"info_hash"`
	Interval   int      `json:"interval"` // seconds
	Complete   int      `json:"complete"`
	Incomplete int      `json:"incomplete"`
}

// wsForwarded is an offer or answer on its way to another peer.
type wsForwarded struct {
	Action   string   `json:"action"`
	Offer    *session `json:"offer,omitempty"`
	Answer   *session `json:"answer,omitempty"`
	OfferID  binary20 `json:"offer_id"`
	PeerID   binary20 `json:"peer_id"` // who sent it
	InfoHash binary20 `json:"info_hash"`
}

func encodeAnnounced(h event.InfoHash, interval time.Duration, complete, incomplete int) []byte {
	return encodeWS(wsAnnounced{
		Action: "announce", InfoHash: binary20(h), Interval: int(interval.Seconds()), Complete: complete, Incomplete: incomplete,
	})
}

func encodeOffer(h event.InfoHash, by event.PeerID, o wsOffer) []byte {
	return encodeWS(wsForwarded{Action: "announce", Offer: &o.offer, OfferID: o.id, PeerID: binary20(by), InfoHash: binary20(h)})
}

func encodeAnswer(m wsMessage) []byte {
	return encodeWS(wsForwarded{
		Action: "announce", Answer: m.answer, OfferID: m.offerID, PeerID: binary20(m.peer), InfoHash: binary20(m.infohash),
	})
}

// encodeScraped answers a scrape by its torrents' names, written as announces write them.
func encodeScraped(hashes []event.InfoHash, all []counts, known func([20]byte) bool, minInterval time.Duration) []byte {
	files := map[string]any{}
	for i, h := range hashes {
		if known(h) {
			files[latin1(h)] = map[string]int{
				"complete": all[i].complete, "incomplete": all[i].incomplete, "downloaded": all[i].downloaded,
			}
		}
	}
	return encodeWS(map[string]any{
		"action": "scrape", "files": files, "flags": map[string]int{"min_request_interval": int(minInterval.Seconds())},
	})
}

// encodeFailure says what is wrong with a message. It always has an action: stock clients
// give a tracker up that answers without one.
func encodeFailure(m wsMessage, err error) []byte {
	out := map[string]any{"action": "announce", "failure reason": err.Error()}
	if m.action == "scrape" {
		out["action"] = m.action
	}
	if m.infohash != (event.InfoHash{}) {
		out["info_hash"] = binary20(m.infohash)
	}
	return encodeWS(out)
}

func latin1(b [20]byte) string {
	var s [len(b)]rune
	for i, c := range b {
		s[i] = rune(c)
	}
	return string(s[:])
}

func encodeWS(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // which would make an offer up to six times as long
	if err := e.Encode(v); err != nil {
		panic("matchmaker: encode message: " + err.Error()) // of our own types, which can be
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
