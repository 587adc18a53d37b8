package chdb

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of one statement.
const (
	maxText     = 256 << 10 // bytes of SQL: what the engine itself takes at most
	readerLimit = time.Minute
)

// handler serves ClickHouse's HTTP interface.
type handler struct {
	engine *embedded
	users  users
	gate   *gate
}

func (h *handler) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Ok.\n") })
	mux.HandleFunc("GET /{$}", h.serve)
	mux.HandleFunc("POST /{$}", h.serve)
	return mux
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	user, err := h.users.login(r)
	if err != nil {
		refuse(w, err)
		return
	}
	req, err := parseRequest(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	rc := http.NewResponseController(w)
	body, err := plain(moving{r.Body, rc}, r.Header.Get("Content-Encoding"), req.unpack)
	if err != nil {
		refuse(w, err)
		return
	}
	st, err := readStatement(req, user, r.Method == http.MethodGet, body)
	if err != nil {
		refuse(w, err)
		return
	}
	// From here on a client that goes away ends the context; until then it broke the body.
	ctx, cancel := st.bounded(r.Context())
	defer cancel()
	a := newReply(w, req)
	done, err := h.do(ctx, st, a)
	if err == nil {
		err = a.done(done)
	}
	var e *exception
	switch {
	case err == nil, errors.Is(err, errGone):
	case errors.As(err, &e):
		a.fail(e)
	default:
		a.fail(failed(codeBadArguments, "Read the rows: %v", err))
	}
}

// refuse answers a request that never became a statement.
func refuse(w http.ResponseWriter, err error) {
	var e *exception
	if !errors.As(err, &e) {
		e = failed(codeBadArguments, "Read the request: %v", err)
	}
	newReply(w, &request{}).fail(e)
}

// statement is a request with its text.
type statement struct {
	*request
	user   string
	gentle bool // it must not change anything
	sql    string
	rows   *insertion // with them, in rest, if it is an INSERT that has some
	rest   io.Reader
}

// readStatement puts together what the URL and the body say, as a server does: the body
// goes on where the URL ends, with its SQL or with rows.
func readStatement(req *request, user string, get bool, body io.Reader) (*statement, error) {
	start := req.query
	if start != "" {
		start += "\n"
	}
	text, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader([]byte(start)), body), maxText+1))
	if err != nil {
		return nil, err
	}
	st := &statement{request: req, user: user, gentle: get || user == Reader, sql: string(text)}
	if user == Reader {
		if err := mayChoose(req.settings); err != nil {
			return nil, err
		}
	}
	if in, ok := splitInsert(st.sql); ok {
		st.rows = &in
		st.rest = io.MultiReader(bytes.NewReader(text[in.data:]), body)
		return st, nil
	}
	if asksForRows(st.sql) {
		// The library would say that all went well, and drop the rows.
		return nil, failed(codeNotImplemented, "Rows for input() are not taken here: insert them into a table, and select from that")
	}
	if len(text) > maxText {
		return nil, failed(codeTooLarge, "The statement has more than %d bytes", maxText)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, failed(codeSyntax, "Empty query")
	}
	return st, nil
}

// bounded ends the statements of the read-only user after a while.
func (st *statement) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if st.user != Reader {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, readerLimit, errTooLong)
}

// do runs the statement, once it is its turn.
func (h *handler) do(ctx context.Context, st *statement, a *reply) (counts, error) {
	leave, err := h.gate.enter(ctx)
	if err != nil {
		return counts{}, err
	}
	defer leave()
	id := cmp.Or(st.id, rand.Text())
	if st.format == "Native" && st.protocol > 0 && st.sql == helloQuery {
		a.answers(id, st.format, h.engine.server.timezone)
		s := h.engine.server
		return counts{}, a.give(helloBlock(st.protocol, s.display, s.version, s.timezone))
	}
	s, err := h.engine.session()
	if err != nil {
		return counts{}, err
	}
	defer s.close()
	if err := s.prepare(st.user, st.database, st.settings); err != nil {
		return counts{}, err
	}
	if err := s.permits(st); err != nil {
		return counts{}, err
	}
	if st.rows != nil {
		a.answers(id, st.format, h.engine.server.timezone)
		return s.insert(ctx, *st.rows, st.params, st.rest)
	}
	a.answers(id, outputFormat(st.sql, st.format), h.engine.server.timezone)
	return s.run(ctx, st.sql, st.format, st.params, a.give)
}

// permits judges a statement that must not change anything.
func (s *session) permits(st *statement) error {
	if !st.gentle {
		return nil
	}
	if st.rows != nil || !s.readOnly(st.sql) {
		if _, err := s.formatted(st.sql); err != nil && st.rows == nil {
			return err // it is no SQL: that says more
		}
		return failed(codeReadOnly, "Cannot execute query in readonly mode: by GET, and as the read-only user, nothing can be changed")
	}
	if st.user != Reader {
		return nil
	}
	sql, err := s.formatted(st.sql)
	if err != nil {
		return err
	}
	if name := reach(sql); name != "" {
		return failed(codeDenied, "The read-only user may not use %s, which reaches out of the engine", strconv.Quote(name))
	}
	return nil
}

// formatted is the statement as the engine writes it.
func (s *session) formatted(sql string) (string, error) {
	return s.value("SELECT formatQuerySingleLine({sql:String})", param{"sql", escaped.Replace(sql)})
}

// escaped writes a string as values of parameters are written.
var escaped = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)
