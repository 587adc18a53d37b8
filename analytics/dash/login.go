package dash

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"

	"github.com/shoalcast/shoal/internal/limit"
)

const (
	cookie = "shoal-dash"
	// maxLogin bounds the body of a login.
	maxLogin = 1 << 10
	// tries and triesPerSecond bound what one address may try. It holds for this machine, too: somebody may sit there, and who
	// comes by a proxy seems to.
	tries          = 10
	triesPerSecond = 0.2
	maxAddresses   = 1 << 14
)

// login takes the token, and gives a cookie for it.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	if from, _ := limit.Remote(r.RemoteAddr); !h.tries.Allow(from, h.now()) {
		w.Header().Set("Retry-After", "60")
		fail(w, http.StatusTooManyRequests, "Too many tries came from this address: wait a minute, then try again.")
		return
	}
	var said struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLogin)).Decode(&said); err != nil {
		fail(w, http.StatusBadRequest, `A login is JSON: {"token": "…"}.`)
		return
	}
	// Hashes have one length, so that time says nothing about the token's.
	got, want := sha256.Sum256([]byte(said.Token)), sha256.Sum256([]byte(h.opts.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		fail(w, http.StatusUnauthorized, "This is not the token. It was printed when this shoal first started, and stands in the file dash-token in its data directory.")
		return
	}
	http.SetCookie(w, h.cookie(r, h.visitors.admit(h.now()), int(lasts.Seconds())))
	w.WriteHeader(http.StatusNoContent)
}

// logout makes a cookie worthless.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil {
		h.visitors.forget(c.Value)
	}
	http.SetCookie(w, h.cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // G124: it is Secure wherever there is TLS
		Name: cookie, Value: value, Path: Path, MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// A proxy says so in a header; whoever lies there only keeps their own cookie from plain HTTP.
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// knows reports whether somebody is logged in.
func (h *Handler) knows(r *http.Request) bool {
	c, err := r.Cookie(cookie)
	return err == nil && h.visitors.knows(c.Value, h.now())
}

// loggedIn lets only those through who are.
func (h *Handler) loggedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.knows(r) {
			fail(w, http.StatusUnauthorized, "Log in first: POST the token to "+Path+"login.")
			return
		}
		next(w, r)
	}
}
