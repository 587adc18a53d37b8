package chdb

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Users of the engine.
const (
	// Owner may do everything.
	Owner = "shoal"
	// Reader may read what is in tables, and nothing else.
	Reader = "reader"
)

// users are who may log in.
type users struct{ owner, reader string } // passwords

// login finds out who asks. All that a client may carry its name and password in is
// looked at in the order in which a server does.
func (u users) login(r *http.Request) (user string, err error) {
	name, password := credentials(r)
	// Both are compared whatever the name is, so that time says nothing.
	owner, reader := same(name, Owner)&same(password, u.owner), same(name, Reader)&same(password, u.reader)
	switch {
	case owner == 1:
		return Owner, nil
	case reader == 1:
		return Reader, nil
	}
	return "", failed(codeAuthentication, "Authentication failed: there is no such user, or the password is wrong")
}

func credentials(r *http.Request) (name, password string) {
	if h := r.Header; h.Get("X-ClickHouse-User") != "" || h.Get("X-ClickHouse-Key") != "" {
		return h.Get("X-ClickHouse-User"), h.Get("X-ClickHouse-Key")
	}
	if name, password, ok := r.BasicAuth(); ok {
		return name, password
	}
	q := r.URL.Query()
	return q.Get("user"), q.Get("password")
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
