package matchmaker

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// originAllowed reports whether pages of the site that a request comes from may use the
// tracker: those of this host, and of the origins listed ("*" is every one). A request
// without an Origin is of no page: browsers always send one (RFC 6454, section 7.3).
func originAllowed(r *http.Request, allowed []string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(allowed, "*") {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" { // such as null, of a sandboxed frame
		return false
	}
	// Only the host is compared with ours: which scheme the page's side of a proxy speaks
	// is not known here.
	return strings.EqualFold(u.Host, r.Host) ||
		slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, origin) })
}
