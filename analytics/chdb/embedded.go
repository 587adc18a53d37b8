package chdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// embedded is the engine in this process.
type embedded struct {
	lib    *library
	path   string
	base   *cConn // keeps the engine up: it ends with its last connection
	tags   atomic.Int64
	server identity
}

// identity is what the engine says of itself.
type identity struct{ display, version, timezone string }

// openEngine starts the engine on dir, which it makes if need be.
func openEngine(lib *library, dir string, memory int64) (*embedded, error) {
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the engine's directory: %w", err)
	}
	config, err := writeConfig(dir, memory)
	if err != nil {
		return nil, err
	}
	e := &embedded{lib: lib, path: data}
	if e.base, err = lib.connection("--path="+data, "--config-file="+config); err != nil {
		return nil, fmt.Errorf("open the engine at %s, which another may have open, or which a newer version wrote: %w", data, err)
	}
	if err := e.introduce(); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *embedded) introduce() error {
	s, err := e.session()
	if err != nil {
		return err
	}
	defer s.close()
	line, err := s.value("SELECT displayName(), version(), timezone()")
	if err != nil {
		return fmt.Errorf("ask the engine for its version: %w", err)
	}
	fields := strings.SplitN(line, "\t", 3)
	if len(fields) != 3 {
		return fmt.Errorf("ask the engine for its version: it said %q", line)
	}
	e.server = identity{fields[0], fields[1], fields[2]}
	return nil
}

// close ends the engine. No session may be open.
func (e *embedded) close() { e.lib.close(e.base) }

// session is a connection for one statement, so that what a statement sets or uses is
// gone with it. It is its caller's thread's until it is closed: making one takes about
// a third of a millisecond.
type session struct {
	engine *embedded
	conn   *cConn
	tag    string // finds its statement among those that run
}

func (e *embedded) session() (*session, error) {
	runtime.LockOSThread()
	c, err := e.lib.connection("--path=" + e.path)
	if err != nil {
		runtime.UnlockOSThread()
		return nil, failed(codeEngine, "Make a connection: %v", err)
	}
	return &session{engine: e, conn: c, tag: fmt.Sprintf("shoal-%d", e.tags.Add(1))}, nil
}

func (s *session) close() {
	s.engine.lib.close(s.conn)
	runtime.UnlockOSThread()
}

// prepare makes the session the user's, with a database and settings.
func (s *session) prepare(user, database string, settings []setting) error {
	if database != "" && database != "default" {
		if err := s.exec("USE " + quote(database, '`')); err != nil {
			return err
		}
	}
	// Nothing else uses this setting here: the cache that it is for has no room.
	settings = append([]setting{{"query_cache_tag", s.tag}}, settings...)
	if user == Reader {
		if err := s.exec("SET ROLE " + readerRole); err != nil {
			return err
		}
		settings = append(settings, setting{"readonly", "1"})
	}
	return s.exec(setStatement(settings))
}

// exec runs a statement without a result.
func (s *session) exec(sql string, params ...param) error {
	_, err := s.value(sql, params...)
	return err
}

// value runs a statement with a small result and returns that, without its last newline.
func (s *session) value(sql string, params ...param) (string, error) {
	var m cMemory
	defer m.release()
	lib, p := s.engine.lib, m.params(params)
	const format = "TSVRaw"
	r := lib.query(*s.conn, m.text(sql), uintptr(len(sql)), m.text(format), uintptr(len(format)), p.names, p.nameLens, p.values, p.valueLens, p.n)
	defer lib.destroy(r)
	if msg := lib.failure(r); msg != "" {
		return "", said(msg)
	}
	return strings.TrimSuffix(string(lib.bytes(r)), "\n"), nil
}

// readOnly reports whether the parser finds one statement, which changes nothing.
func (s *session) readOnly(sql string) bool {
	var m cMemory
	defer m.release()
	a := analysis{size: 16}
	failed := s.engine.lib.classify(*s.conn, m.text(sql), uintptr(len(sql)), nil, 0, &a)
	return failed == 0 && a.statements == 1 && a.class == 0
}

// killPause is how long the killer waits for a statement to end before it tries again:
// one that has not begun yet cannot be found.
const killPause = 100 * time.Millisecond

// killOn ends the session's statement when ctx ends. Call stop when it has ended.
func (s *session) killOn(ctx context.Context) (stop func()) {
	over, killer := make(chan struct{}), make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(killer)
		for {
			s.engine.kill(s.tag)
			select {
			case <-over:
				return
			case <-time.After(killPause):
			}
		}
	})
	return func() {
		close(over)
		if !release() {
			<-killer
		}
	}
}

// kill ends what a session runs. It may fail: whoever asks, asks again.
func (e *embedded) kill(tag string) {
	s, err := e.session()
	if err != nil {
		return
	}
	defer s.close()
	_ = s.exec("KILL QUERY WHERE Settings['query_cache_tag'] = {tag:String} ASYNC", param{"tag", tag})
}
