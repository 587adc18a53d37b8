package chdb

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// request is what a URL asks for.
type request struct {
	query    string // the statement, or its beginning
	database string
	format   string // of the answer, where the statement names none
	id       string // query_id, as the client gave it
	params   []param
	settings []setting // sorted by name

	packed   bool // the answer in compressed blocks, as ClickHouse's own protocol has them
	unpack   bool // the body is so
	zstd     bool // how packed, if not by LZ4
	whole    bool // answer only when all is known
	protocol int  // version of the client's native protocol; it expects that of the first answer
}

// setting is one of ClickHouse's, for one statement.
type setting struct{ name, value string }

// defaultFormat is what a server answers in when nobody says.
const defaultFormat = "TabSeparated"

// maxID is the most bytes of a query_id, which comes back in a header.
const maxID = 128

// name is what settings, formats and parameters are called.
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// refusedParameters are of servers that keep sessions or know more users than two.
var refusedParameters = []string{"session_id", "session_timeout", "session_check", "close_session", "role"}

// parseRequest reads the parameters of a URL. Of one that is given twice, the last is
// taken, as a server does.
func parseRequest(values url.Values) (*request, error) {
	r := &request{format: defaultFormat}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key][len(values[key])-1]
		if p, ok := strings.CutPrefix(key, "param_"); ok {
			r.params = append(r.params, param{p, value})
			continue
		}
		switch key {
		case "query":
			r.query = value
		case "database":
			r.database = value
		case "default_format":
			r.format = value
		case "query_id":
			r.id = value
		case "compress":
			r.packed = truth(value)
		case "decompress":
			r.unpack = truth(value)
		case "wait_end_of_query":
			r.whole = truth(value)
		case "client_protocol_version":
			r.protocol, _ = strconv.Atoi(value)
		case "user", "password", "quota_key", "buffer_size", "stacktrace":
			// The first two are for logging in, the others change no answer here.
		default:
			if slices.Contains(refusedParameters, key) {
				return nil, failed(codeNotImplemented, "There are no sessions and roles here, so that %s means nothing: leave it out", key)
			}
			if !name.MatchString(key) {
				return nil, failed(codeUnknownSetting, "Unknown setting %s", strconv.Quote(clip(key)))
			}
			r.settings = append(r.settings, setting{key, value})
		}
		if key == "network_compression_method" {
			r.zstd = strings.EqualFold(value, "ZSTD")
		}
	}
	if !name.MatchString(r.format) {
		return nil, failed(codeBadArguments, "Format %s is no name", strconv.Quote(clip(r.format)))
	}
	if len(r.id) > maxID || strings.ContainsFunc(r.id, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, failed(codeBadArguments, "query_id must have at most %d printable ASCII characters", maxID)
	}
	return r, nil
}

func truth(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// clip shortens what comes from outside, for an error.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// readable are settings that the read-only user may choose: they bound its statement, or
// say how values are written.
var readable = []string{
	"http_write_exception_in_output_format", "max_execution_time", "max_result_rows", "max_result_bytes", "result_overflow_mode", "max_block_size", "max_threads",
	"log_comment", "session_timezone", "date_time_output_format", "extremes", "enable_http_compression",
	"network_compression_method", "network_zstd_compression_level",
	"output_format_json_quote_64bit_integers", "output_format_json_quote_denormals", "output_format_json_named_tuples_as_objects",
}

// mayChoose refuses settings that the read-only user must leave alone.
func mayChoose(settings []setting) error {
	for _, s := range settings {
		if !slices.Contains(readable, s.name) {
			return failed(codeReadOnly, "The read-only user may not change the setting %s", s.name)
		}
	}
	return nil
}

// setStatement is the SET that applies settings. It is for this package's own names and
// those that parseRequest let through: they stand in it as they are.
func setStatement(settings []setting) string {
	var b strings.Builder
	before := "SET "
	for _, s := range settings {
		b.WriteString(before + s.name + " = " + quote(s.value, '\''))
		before = ", "
	}
	return b.String()
}

// quote writes s as a string, or with backticks as a name.
func quote(s string, q byte) string {
	var b strings.Builder
	b.WriteByte(q)
	for i := range len(s) {
		if s[i] == q || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte(q)
	return b.String()
}
