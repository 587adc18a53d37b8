package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Bounds of what an origin may answer.
const (
	maxDocument = 8 << 20 // bytes of manifest.json: 200 entries, 64 sessions and room
	maxInit     = 1 << 20
	maxSentence = 4 << 10
	maxReserve  = 1 << 20 // bytes set aside on the word of Content-Length
)

var (
	// errGone means that the origin knows of no such thing, or no more.
	errGone = errors.New("not found")
	// errCut means that a body ended early or stood still.
	errCut = errors.New("the transfer was cut off")
	// errTooLarge means that a body went on beyond what was signed or is allowed.
	errTooLarge = errors.New("the answer is larger than it may be")
)

// origin is the HTTP side of a seed, or a CDN in front of it.
type origin struct {
	client *http.Client
	loc    Location
	timing timing
	now    func() time.Time
}

// request is one question to an origin.
type request struct {
	url        string
	limit      int           // bytes of the answer
	within     time.Duration // for the whole of it
	fresh      bool          // caches are to ask again
	from, size int           // bytes of the resource; all when size is 0
}

// get fetches one resource of at most limit bytes. On errCut and errTooLarge it
// returns what came before.
func (o *origin) get(ctx context.Context, url string, limit int, within time.Duration, fresh bool) ([]byte, error) {
	return o.ask(ctx, request{url: url, limit: limit, within: within, fresh: fresh})
}

func (o *origin) ask(ctx context.Context, r request) ([]byte, error) {
	limit, within := r.limit, r.within
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithTimeoutCause(ctx, within, fmt.Errorf("no whole answer within %s", within))
	defer stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, permanent(fmt.Errorf("make request: %w", err))
	}
	if r.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.from, r.from+r.size-1))
	}
	if r.fresh {
		req.Header.Set("Cache-Control", "no-cache")
	}
	res, err := o.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK && (r.size == 0 || res.StatusCode != http.StatusPartialContent) {
		return nil, statusError(res)
	}

	idle := time.AfterFunc(o.timing.idle, func() { cancel(fmt.Errorf("not a byte for %s", o.timing.idle)) })
	defer idle.Stop()
	var body bytes.Buffer
	if n := res.ContentLength; n > 0 {
		body.Grow(int(min(n, int64(limit), maxReserve)) + bytes.MinRead)
	}
	_, err = body.ReadFrom(&watched{r: io.LimitReader(res.Body, int64(limit)+1), idle: idle, pause: o.timing.idle})
	if body.Len() > limit {
		return body.Bytes()[:limit], errTooLarge
	}
	if r.size > 0 && err == nil {
		return r.cut(res, body.Bytes())
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return body.Bytes(), fmt.Errorf("%w: %w", errCut, err)
	}
	return body.Bytes(), nil
}

// cut returns the range that was asked for of an answer. An origin that knows no ranges
// sends it all.
func (r request) cut(res *http.Response, data []byte) ([]byte, error) {
	if res.StatusCode == http.StatusOK {
		data = data[min(r.from, len(data)):]
		data = data[:min(r.size, len(data))]
	} else if want := fmt.Sprintf("bytes %d-%d/", r.from, r.from+r.size-1); !strings.HasPrefix(res.Header.Get("Content-Range"), want) {
		return nil, fmt.Errorf("asked for %s, the origin answered %q", want, res.Header.Get("Content-Range"))
	}
	if len(data) != r.size {
		return nil, fmt.Errorf("%w: %d bytes of %d", errCut, len(data), r.size)
	}
	return data, nil
}

// watched pushes a timer off with every read that brings something.
type watched struct {
	r     io.Reader
	idle  *time.Timer
	pause time.Duration
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if n > 0 {
		w.idle.Reset(w.pause)
	}
	return n, err
}

// statusError turns an answer that is not 200 into an error with the origin's sentence.
func statusError(res *http.Response) error {
	var said struct {
		Error string `json:"error"`
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxSentence))
	if err != nil || json.Unmarshal(b, &said) != nil || said.Error == "" {
		said.Error = http.StatusText(res.StatusCode)
	}
	err = fmt.Errorf("the origin answered %d: %s", res.StatusCode, said.Error)
	if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return err
}

// time asks the server for its time.
func (o *origin) time(ctx context.Context) (clockReading, error) {
	r := clockReading{asked: o.now()}
	b, err := o.get(ctx, o.loc.Base+"/api/v1/time", maxSentence, o.timing.reply, true)
	r.answered = o.now()
	if err != nil {
		return r, fmt.Errorf("ask for the server's time: %w", err)
	}
	var said struct {
		Now int64 `json:"now"`
	}
	if err := json.Unmarshal(b, &said); err != nil || said.Now <= 0 {
		return r, errors.New("ask for the server's time: the answer is not {\"now\":<unix ms>}")
	}
	r.server = time.UnixMilli(said.Now)
	return r, nil
}

// manifest fetches manifest.json; query is empty for the newest entries.
func (o *origin) manifest(ctx context.Context, query string) (document, error) {
	url := o.loc.Page() + "/manifest.json"
	if query != "" {
		url += "?" + query
	}
	b, err := o.get(ctx, url, maxDocument, o.timing.poll, query == "")
	if err != nil {
		return document{}, fmt.Errorf("fetch manifest.json: %w", err)
	}
	return parseDocument(b)
}

// part fetches bytes of a piece by its root, all of them or none. It is for pieces that
// are soon due, and gives up sooner than copyOf.
func (o *origin) part(ctx context.Context, root event.Root, from, size int) ([]byte, error) {
	data, err := o.ask(ctx, request{
		url: o.loc.Base + "/p/" + root.String(), limit: event.MaxPiece, within: o.timing.reply, from: from, size: size,
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// rest implements source.
func (*origin) rest(ctx context.Context, _ wanted, d time.Duration) error { return pause(ctx, d) }

// copyOf implements source. It asks by root first, which any cache can answer for
// ever; then around caches; then by address.
func (o *origin) copyOf(ctx context.Context, w wanted, try int) (delivered, error) {
	url := o.loc.Base + "/p/" + w.root.String()
	if try%3 == 2 {
		url = o.loc.Page() + "/" + string(w.rendition) + "/"
		if w.init {
			url += "init/" + w.root.String() + ".mp4"
		} else {
			url += strconv.FormatInt(int64(w.at.Epoch), 10) + "/" + strconv.FormatUint(w.at.N, 10) + ".m4s"
		}
	}
	if try > 0 {
		url += "?try=" + strconv.Itoa(try)
	}
	limit := int(w.size)
	if w.init {
		limit = maxInit
	}
	data, err := o.get(ctx, url, min(limit, event.MaxPiece), o.timing.transfer, try > 0)
	return delivered{data: data, by: FromOrigin}, err
}
