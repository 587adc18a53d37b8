package e2e

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans collects what is sent to an OTLP collector: names of spans by trace.
type spans struct {
	mu     sync.Mutex
	traces map[string]map[string]bool
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(b, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range req.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				id := string(span.TraceId)
				if s.traces[id] == nil {
					s.traces[id] = map[string]bool{}
				}
				s.traces[id][span.Name] = true
			}
		}
	}
}

// whole reports whether one trace holds all the names.
func (s *spans) whole(names ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
search:
	for _, trace := range s.traces {
		for _, name := range names {
			if !trace[name] {
				continue search
			}
		}
		return true
	}
	return false
}

func TestOneTraceFollowsAPieceFromIngestToOrigin(t *testing.T) {
	t.Parallel()
	got := &spans{traces: map[string]map[string]bool{}}
	server := httptest.NewServer(got)
	defer server.Close()
	i := up(t, "--trace", server.URL)
	publish(t, i.addStream("concert"))
	i.live("concert")
	waitFor(t, 20*time.Second, "a whole trace", func() bool {
		return got.whole("ingest piece", "sign entry", "origin release")
	})
}
