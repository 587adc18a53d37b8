package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// counts are what a statement did.
type counts struct{ readRows, readBytes, wroteRows, wroteBytes uint64 }

func (s *session) counts(r cResult) counts {
	l := s.engine.lib
	return counts{l.readRows(r), l.readBytes(r), l.wroteRows(r), l.wroteBytes(r)}
}

func (c counts) plus(o counts) counts {
	return counts{c.readRows + o.readRows, c.readBytes + o.readBytes, c.wroteRows + o.wroteRows, c.wroteBytes + o.wroteBytes}
}

func (c counts) String() string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d"}`, c.readRows, c.readBytes, c.wroteRows, c.wroteBytes)
}

// notStreamed is how the library refuses to stream what is no SELECT, before it has done
// anything of it.
const notStreamed = "Streaming query is not supported"

// run runs any statement and hands its result on in parts, which are gone after each
// call. Errors of give are returned as they are; the engine's are exceptions.
func (s *session) run(ctx context.Context, sql, format string, params []param, give func([]byte) error) (counts, error) {
	defer s.killOn(ctx)()
	var m cMemory
	defer m.release()
	lib, p := s.engine.lib, m.params(params)
	stream := lib.stream(*s.conn, m.text(sql), uintptr(len(sql)), m.text(format), uintptr(len(format)), p.names, p.nameLens, p.values, p.valueLens, p.n)
	defer lib.destroy(stream)
	msg := lib.failure(stream)
	switch {
	case msg == "":
		return s.hand(ctx, stream, give)
	case !strings.Contains(msg, notStreamed):
		return counts{}, s.why(ctx, msg)
	}
	r := lib.query(*s.conn, m.text(sql), uintptr(len(sql)), m.text(format), uintptr(len(format)), p.names, p.nameLens, p.values, p.valueLens, p.n)
	defer lib.destroy(r)
	if msg := lib.failure(r); msg != "" {
		return counts{}, s.why(ctx, msg)
	}
	return s.counts(r), give(lib.bytes(r))
}

// hand hands the parts of a streamed result on.
func (s *session) hand(ctx context.Context, stream cResult, give func([]byte) error) (counts, error) {
	var sum counts
	for {
		more, err := func() (bool, error) {
			r := s.engine.lib.fetch(*s.conn, stream)
			defer s.engine.lib.destroy(r)
			if msg := s.engine.lib.failure(r); msg != "" {
				return false, s.why(ctx, msg)
			}
			sum = sum.plus(s.counts(r))
			part := s.engine.lib.bytes(r)
			if len(part) == 0 {
				return false, nil
			}
			return true, give(part)
		}()
		if err != nil {
			s.engine.lib.cancel(*s.conn, stream)
		}
		if err != nil || !more {
			return sum, err
		}
	}
}

// why tells a statement that was ended on purpose from one that failed.
func (s *session) why(ctx context.Context, msg string) error {
	e := said(msg)
	if e.code == codeCancelled && errors.Is(context.Cause(ctx), errTooLong) {
		return failed(codeTimeout, "The statement ran for longer than it may: ask for less, or raise max_execution_time")
	}
	return e
}

var errTooLong = errors.New("the statement runs for too long")

// insertPart is how much of an INSERT's rows is handed over at a time; the library keeps
// a few parts.
const insertPart = 1 << 20

// insert runs an INSERT whose rows come from body. When body fails before its end, what
// the engine has not written yet is dropped.
func (s *session) insert(ctx context.Context, in insertion, params []param, body io.Reader) (counts, error) {
	defer s.killOn(ctx)()
	var m cMemory
	defer m.release()
	lib, p := s.engine.lib, m.params(params)
	stream := lib.insert(*s.conn, m.text(in.statement), uintptr(len(in.statement)), m.text(in.format), uintptr(len(in.format)), p.names, p.nameLens, p.values, p.valueLens, p.n)
	defer lib.free(stream)
	if msg := lib.insertFail(stream); msg != "" {
		return counts{}, s.why(ctx, msg)
	}
	if err := s.feed(stream, body); err != nil {
		lib.abandon(stream)
		return counts{}, err
	}
	r := lib.done(stream)
	defer lib.destroy(r)
	if msg := lib.failure(r); msg != "" {
		return counts{}, s.why(ctx, msg)
	}
	return s.counts(r), nil
}

// feed hands body over. That the library takes no more is no error here: done says why.
func (s *session) feed(stream cInsert, body io.Reader) error {
	part, n := make([]byte, insertPart), 0
	for {
		read, err := body.Read(part[n:])
		n += read
		if n > 0 && (n == len(part) || err != nil) {
			if s.engine.lib.append(stream, &part[0], uintptr(n)) != 0 {
				return nil
			}
			n = 0
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
