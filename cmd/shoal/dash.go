package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/shoalcast/shoal/analytics/dash"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/web"
)

// addDash adds the dashboard, /dash, and its API. The reader may only read; it is nil where there is no ClickHouse, and status says
// why then, as addAnalytics does. What has /assets/ of its own is added before.
func (n *node) addDash(reader *store.Store, status func() (bool, string)) error {
	token, made, err := dash.Token(n.dir.Path("dash-token"))
	if err != nil {
		return refused(err)
	}
	if made {
		n.dashToken = token
	}
	opts := dash.Options{Token: token, Status: inSentences(status, reader == nil), Log: n.log.With(obs.KeyService, "dash")}
	if reader != nil { // a nil *Store would not be a nil Reader
		opts.Reader = reader
	}
	site := web.Built()
	n.mux.Handle(dash.Path, dash.New(opts))
	n.mux.HandleFunc("GET /dash", site.Dash)
	if !n.serves("/assets/") {
		n.mux.Handle("GET /assets/", site.Assets())
	}
	return nil
}

// inSentences makes a sentence of the reason that status gives, for good or for now.
func inSentences(status func() (bool, string), off bool) func() (bool, string) {
	return func() (bool, string) {
		ready, why := status()
		if off {
			why = "Analytics is off: " + why
		}
		return ready, why + "."
	}
}

// serves reports whether something is mounted at a path, besides what answers for all others.
func (n *node) serves(path string) bool {
	_, pattern := n.mux.Handler(&http.Request{Method: http.MethodGet, Host: "localhost", URL: &url.URL{Path: path}})
	return pattern != "" && pattern != "/"
}

// greetDash says where to look, and with which token where this start made it: later it is in its file.
func greetDash(w io.Writer, base, token, file string) error {
	with := "the token in " + file
	if token != "" && isTerminal(w) {
		with = "the token " + token
	}
	_, err := fmt.Fprintf(w, "Look:    %s/dash with %s\n", base, with)
	return err
}
