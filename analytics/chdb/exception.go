package chdb

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// code is one of ClickHouse's error codes.
type code int

// The codes that this package gives by itself.
const (
	codeBadArguments   code = 36
	codeNotImplemented code = 48
	codeSyntax         code = 62
	codeUnknownSetting code = 115
	codeTimeout        code = 159
	codeReadOnly       code = 164
	codeTooMany        code = 202
	codeTooLarge       code = 229
	codeCancelled      code = 394
	codeAuthentication code = 516
	codeDenied         code = 497
	codeEngine         code = 1002 // what has none of its own
)

var codeNames = map[code]string{
	codeBadArguments: "BAD_ARGUMENTS", codeNotImplemented: "NOT_IMPLEMENTED", codeSyntax: "SYNTAX_ERROR",
	codeUnknownSetting: "UNKNOWN_SETTING", codeTimeout: "TIMEOUT_EXCEEDED", codeReadOnly: "READONLY",
	codeTooMany: "TOO_MANY_SIMULTANEOUS_QUERIES", codeTooLarge: "QUERY_IS_TOO_LARGE", codeCancelled: "QUERY_WAS_CANCELLED",
	codeAuthentication: "AUTHENTICATION_FAILED", codeDenied: "ACCESS_DENIED", codeEngine: "UNKNOWN_EXCEPTION",
}

// exception is an error as ClickHouse's clients read it.
type exception struct {
	code code
	text string // begins with "Code: "
}

func (e *exception) Error() string { return e.text }

func failed(c code, format string, args ...any) *exception {
	return &exception{c, fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", c, fmt.Sprintf(format, args...), codeNames[c])}
}

var codePrefix = regexp.MustCompile(`^Code: (\d+)\.`)

// said is what the library said went wrong.
func said(text string) *exception {
	text = strings.TrimSpace(text)
	m := codePrefix.FindStringSubmatch(text)
	if m == nil {
		return failed(codeEngine, "%s", text)
	}
	n, _ := strconv.Atoi(m[1])
	return &exception{code(n), text}
}

// statuses are the HTTP statuses of codes whose request is to blame; all others are 500.
var statuses = map[code]int{
	6: 400, 26: 400, 27: 400, 36: 400, 38: 400, 41: 400, 43: 400, 44: 400, 53: 400, 62: 400, 69: 400, 70: 400, 72: 400, 117: 400, 427: 400, 456: 400, 457: 400,
	46: 404, 47: 404, 50: 404, 60: 404, 63: 404, 73: 404, 81: 404, 82: 404, 115: 404,
	48:  501,
	159: 408,
	164: 403, 497: 403, 516: 403,
	202: 503, 394: 499,
	229: 413,
}

func (e *exception) status() int {
	if s, ok := statuses[e.code]; ok {
		return s
	}
	return http.StatusInternalServerError
}
