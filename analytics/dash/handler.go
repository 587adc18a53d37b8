package dash

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/internal/limit"
)

// Path is where a Handler is mounted.
const Path = "/api/v1/dash/"

// Reader answers questions; *store.Store is one, and should be one that may only read.
type Reader interface {
	Query(ctx context.Context, sql string, params map[string]string) (columns []string, rows [][]any, err error)
}

// Options configures a Handler. Token must be set.
type Options struct {
	Reader Reader // nil: there is none, as Status says
	// Status says whether questions can be answered, and if not, why, in a sentence with what to do. Nil: they can.
	Status func() (ready bool, why string)
	Token  string           // see the function of this name
	Log    *slog.Logger     // nil discards
	Now    func() time.Time // nil: time.Now
}

const (
	// atOnce bounds the questions that ClickHouse has to think of for dashboards; some more wait for a while.
	atOnce  = 4
	waiting = 64
	waits   = 5 * time.Second
)

// Handler serves Path: login and logout, status, and chart/{name}. Charts are for who is logged in.
type Handler struct {
	opts     Options
	visitors visitors
	tries    *limit.Rates
	running  chan struct{}
	waiting  chan struct{}
	mux      http.Handler
}

// New returns a handler.
func New(opts Options) *Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	h := &Handler{
		opts: opts, tries: limit.NewRates(triesPerSecond, tries, maxAddresses),
		running: make(chan struct{}, atOnce), waiting: make(chan struct{}, waiting),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Path+"login", h.login)
	mux.HandleFunc("POST "+Path+"logout", h.logout)
	mux.HandleFunc("GET "+Path+"status", h.status)
	mux.HandleFunc("GET "+Path+"chart/{name}", h.loggedIn(h.chart))
	mux.HandleFunc(Path, func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "There is nothing at this address.")
	})
	// Cookies are SameSite=Strict; this is for browsers that do not know what that is.
	h.mux = http.NewCrossOriginProtection().Handler(mux)
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) now() time.Time { return h.opts.Now() }

// away says why nothing can be answered; empty if it can.
func (h *Handler) away() string {
	if h.opts.Status != nil {
		if ready, why := h.opts.Status(); !ready {
			return why
		}
	}
	if h.opts.Reader == nil {
		return "Analytics is off: there is no ClickHouse to ask."
	}
	return ""
}

// status says whether there is anything to ask. Who is not logged in learns that, and no more.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	if !h.knows(r) {
		writeJSON(w, http.StatusOK, map[string]any{"login": false})
		return
	}
	why := h.away()
	writeJSON(w, http.StatusOK, map[string]any{"login": true, "ready": why == "", "why": why})
}

func (h *Handler) chart(w http.ResponseWriter, r *http.Request) {
	c := charts[r.PathValue("name")]
	if c == nil {
		fail(w, http.StatusNotFound, "There is no chart of this name.")
		return
	}
	q := r.URL.Query()
	as, err := formatOf(q)
	if err != nil {
		fail(w, http.StatusBadRequest, sentence(err))
		return
	}
	question, err := ask(c, q, h.now())
	if err != nil {
		fail(w, http.StatusBadRequest, sentence(err))
		return
	}
	if why := h.away(); why != "" {
		fail(w, http.StatusServiceUnavailable, why)
		return
	}
	a := answer{name: c.name, question: question}
	if a.columns, a.rows, err = h.query(r.Context(), question); err != nil {
		status, why := explain(err)
		if r.Context().Err() == nil {
			h.opts.Log.Log(r.Context(), levelOf(status), "a question of the dashboard was not answered", "chart", c.name, "error", err)
		}
		fail(w, status, why)
		return
	}
	as(w, &a)
}

// query asks the one question of a request, when it is its turn.
func (h *Handler) query(ctx context.Context, q question) ([]string, [][]any, error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, nil, store.ErrBusy
	}
	defer func() { <-h.waiting }()
	turn := time.NewTimer(waits)
	defer turn.Stop()
	select {
	case h.running <- struct{}{}:
	case <-turn.C:
		return nil, nil, store.ErrBusy
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	defer func() { <-h.running }()
	return h.opts.Reader.Query(ctx, q.sql, q.params)
}

// explain says what went wrong to whoever looks at the dashboard.
func explain(err error) (status int, why string) {
	switch {
	case errors.Is(err, store.ErrSlow):
		return http.StatusGatewayTimeout, "This took too long: choose a shorter time range, or one stream."
	case errors.Is(err, store.ErrBusy):
		return http.StatusServiceUnavailable, "ClickHouse has too much to do just now: try again in a moment, or pause other dashboards."
	case errors.Is(err, store.ErrUnready):
		return http.StatusServiceUnavailable, "The tables are not in ClickHouse yet: they are made as soon as shoal has reached it."
	case errors.Is(err, store.ErrRefused):
		return http.StatusServiceUnavailable, "ClickHouse refuses the user or the password: look at --clickhouse."
	case errors.Is(err, store.ErrAway):
		return http.StatusServiceUnavailable, "ClickHouse does not answer: see that it runs. What viewers report meanwhile is kept."
	}
	return http.StatusInternalServerError, "This could not be answered: the log of shoal says why."
}

func levelOf(status int) slog.Level {
	if status == http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelDebug
}
