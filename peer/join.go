package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Location is what a viewer's link says: where, which name, and, when it ends in
// #<stream id>, whose.
type Location struct {
	Base string // scheme, host and whatever path stands before /live/, without a final slash
	Name event.StreamName
	ID   event.StreamID // empty when the link carries none
}

// ParseURL reads a viewer's link: http://host/live/name#stream_id, the same with
// /manifest.json or a playlist behind the name.
func ParseURL(link string) (Location, error) {
	bad := func(why string) (Location, error) {
		return Location{}, fmt.Errorf("%q is not a viewer's link: %s (it looks like http://host/live/name#stream_id)", link, why)
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return bad("it does not begin with http:// or https:// and a host")
	}
	before, after, ok := strings.Cut(u.Path, "/live/")
	if !ok {
		return bad("/live/name is missing")
	}
	text, rest, _ := strings.Cut(after, "/")
	if rest != "" && rest != "manifest.json" && !strings.HasSuffix(rest, "index.m3u8") {
		return bad("only manifest.json or index.m3u8 may follow the name")
	}
	name, err := event.ParseStreamName(text)
	if err != nil {
		return bad(err.Error())
	}
	loc := Location{Base: (&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: before}).String(), Name: name}
	if u.Fragment != "" {
		if loc.ID, err = event.ParseStreamID(u.Fragment); err != nil {
			return bad(err.Error())
		}
	}
	return loc, nil
}

// Page returns the address of the stream's page, without its id.
func (l Location) Page() string { return l.Base + "/live/" + string(l.Name) }

// document is manifest.json: all that a newcomer needs, in one fetch.
type document struct {
	V          int                                `json:"v"`
	Name       event.StreamName                   `json:"name"`
	StreamID   event.StreamID                     `json:"stream_id"`
	Live       bool                               `json:"live"`
	Now        int64                              `json:"now"`
	Genesis    manifest.Envelope                  `json:"genesis"`
	Rotations  []manifest.Envelope                `json:"rotations"`
	Sessions   []manifest.Envelope                `json:"sessions"`
	Renditions map[event.Rendition]renditionEntry `json:"renditions"`
	Trackers   []string                           `json:"trackers"` // of the stream's swarm
	Seeds      []string                           `json:"seeds"`    // host:port; no host is the page's
	STUN       []string                           `json:"stun"`     // as seeds
	Sensitive  bool                               `json:"sensitive"`
	Telemetry  bool                               `json:"telemetry"` // reports are wanted

	gossip bool // made of entries that the swarm brought, already verified
}

type renditionEntry struct {
	Codecs  string              `json:"codecs"`
	Entries []manifest.Envelope `json:"entries"`
}

func parseDocument(b []byte) (document, error) {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("read manifest.json: %w", err)
	}
	if d.V != 1 {
		return d, fmt.Errorf("read manifest.json: version %d, this shoal knows version 1", d.V)
	}
	return d, nil
}

// ErrBroken is evidence against a stream or its origin: another key, two pieces signed
// for one address, or signatures that do not verify.
var ErrBroken = errors.New("broken")

// records is the trust in a stream, with what was put into it so that nothing is
// verified twice.
type records struct {
	trust *manifest.Trust
	known map[event.Digest]bool // of envelopes
}

// maxKnown bounds the digests that are remembered; beyond, they are gathered anew.
const maxKnown = 1024

// identify opens the trust in a stream: by the id of its link, which settles whose it
// is, or else by the pin of the key that was seen first under that address.
func (r *records) identify(loc Location, d document, pins *pins) (State, error) {
	trust, err := manifest.NewTrust(d.Genesis)
	if err != nil {
		return Broken, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r.trust = trust
	if trust.Name() != loc.Name {
		return Broken, fmt.Errorf("%w: the origin answers for %s with the stream %s", ErrBroken, loc.Name, trust.Name())
	}
	if err := r.learn(d); err != nil {
		return Broken, err
	}
	seen := pin{Stream: trust.ID(), Key: manifest.KeyID(trust.RootKey())}
	if loc.ID != "" {
		if loc.ID != trust.ID() {
			return Broken, fmt.Errorf("%w: the link is to stream %s, but %s serves stream %s of key %s: not the same creator",
				ErrBroken, loc.ID, loc.Page(), seen.Stream, seen.Key)
		}
		return Verified, nil
	}
	first, err := pins.check(loc.Page(), seen)
	if err != nil {
		return Consistent, err
	}
	if first.Stream != seen.Stream {
		return Broken, fmt.Errorf("%w: %s was first seen with key %s (stream %s) and now has key %s (stream %s); if the creator really changed, use their new link, or remove the old key from %s",
			ErrBroken, loc.Page(), first.Key, first.Stream, seen.Key, seen.Stream, pins.where())
	}
	return Consistent, nil
}

// learn adds a document's rotations and session records to the trust.
func (r *records) learn(d document) error {
	err := r.add(d.Genesis, func(e manifest.Envelope) error {
		_, id, err := manifest.OpenGenesis(e)
		if err == nil && id != r.trust.ID() {
			err = fmt.Errorf("the origin changed from stream %s to stream %s", r.trust.ID(), id)
		}
		return err
	})
	for _, e := range d.Rotations {
		err = errors.Join(err, r.add(e, r.trust.AddRotation))
	}
	for _, e := range d.Sessions {
		err = errors.Join(err, r.add(e, r.trust.AddSession))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return nil
}

// add puts an envelope into the trust, once.
func (r *records) add(e manifest.Envelope, into func(manifest.Envelope) error) error {
	d := event.DigestOf(e.JSON())
	if r.known[d] {
		return nil
	}
	if err := into(e); err != nil {
		return err
	}
	if r.known == nil || len(r.known) >= maxKnown {
		r.known = map[event.Digest]bool{}
	}
	r.known[d] = true
	return nil
}

// join fetches manifest.json until it has one, for as long as the timing allows.
func join(ctx context.Context, o *origin, t timing) (document, error) {
	var d document
	err := retry(ctx, t.retry(t.joinFor), func() error {
		var err error
		if d, err = o.manifest(ctx, ""); errors.Is(err, errGone) {
			return permanent(fmt.Errorf("there is no stream %s at %s", o.loc.Name, o.loc.Base))
		}
		return err
	})
	if err != nil {
		return d, fmt.Errorf("join %s: %w", o.loc.Page(), err)
	}
	return d, nil
}
