package archtest

import (
	"slices"
	"strings"
)

// services meet only on the bus.
var services = []string{"ingest", "transcoder", "packager", "seeder", "keyring", "matchmaker", "analytics"}

// libraries lie within a service's folder and are none: whoever makes pieces needs them.
var libraries = []string{"ingest/media", "ingest/fmp4", "ingest/mpegts"}

// exclusive lists outside libraries with the folders that may import them. Test helpers
// and tests of other packages are bound by it too, unless tests is set.
var exclusive = []struct {
	library string
	homes   []string
	tests   bool // tests anywhere may import it
	why     string
}{
	{
		library: "github.com/nats-io", homes: []string{"bus", "bench"},
		why: "bus is the one place that knows subjects, streams and delivery; everybody else would come to depend on NATS",
	},
	{
		library: "go.opentelemetry.io/otel/sdk", homes: []string{"internal/obs"}, tests: true,
		why: "internal/obs sets tracing up; services are handed a trace.Tracer",
	},
	{
		library: "go.opentelemetry.io/otel/exporters", homes: []string{"internal/obs"},
		why: "internal/obs sets tracing up; services are handed a trace.Tracer",
	},
	{
		library: "github.com/prometheus/client_golang/prometheus/promhttp", homes: []string{"internal/obs"},
		why: "internal/obs serves metrics; services are handed a prometheus.Registerer",
	},
	{
		library: "github.com/oklog/run", homes: []string{"internal/proc"},
		why: "internal/proc owns the order in which things stop",
	},
	{
		library: "github.com/alecthomas/kong", homes: []string{"cmd"},
		why: "only commands read flags; the rest is told what it needs, so that tests and other programs can",
	},
	{
		library: "github.com/knadh/koanf", homes: []string{"cmd"},
		why: "only commands read configuration; the rest is told what it needs",
	},
	{
		library: "github.com/anacrolix", homes: []string{"swarm/bt"},
		why: "swarm/bt owns the BitTorrent library and its traps; everybody else is handed links",
	},
	{
		library: "github.com/pion", homes: []string{"swarm/bt"},
		why: "swarm/bt owns WebRTC and STUN; everybody else is handed links",
	},
	{
		library: "github.com/asticode", homes: []string{"ingest/mpegts"},
		why: "ingest/mpegts owns transport streams; everybody else is handed access units",
	},
	{
		library: "github.com/ebitengine/purego", homes: []string{"analytics/chdb", "ingest/srt/libsrt"},
		why: "a library of C has one wrapper, which knows who owns which memory",
	},
	{
		library: "github.com/ClickHouse/clickhouse-go", homes: []string{"analytics/store"}, tests: true,
		why: "analytics/store is the one place that knows ClickHouse; everybody else is handed rows",
	},
	{
		library: "github.com/ClickHouse/ch-go", homes: []string{"analytics/chdb", "analytics/store"}, tests: true,
		why: "analytics/chdb is the one place that speaks as ClickHouse's server does, analytics/store the one that has rows as it does",
	},
	{
		library: "github.com/pressly/goose", homes: []string{"analytics/store"},
		why: "analytics/store keeps the schema",
	},
	{
		library: "flag", homes: []string{"cmd", "bench"}, tests: true,
		why: "only commands read flags; the rest is told what it needs, so that tests and other programs can",
	},
	{
		library: "os/exec", homes: []string{"cmd", "bench", "internal/doctor", "internal/ffmpeg", "analytics/chdb"}, tests: true,
		why: "what serves needs no other program; doctor asks which are there, internal/ffmpeg runs the one that converts media, analytics/chdb starts shoal itself",
	},
	{
		library: "log", homes: nil,
		why: "logs go through the *slog.Logger that a package is handed, with keys from internal/obs",
	},
}

// Imports checks who imports whom.
func (t *Tree) Imports() []Breach {
	var out []Breach
	for _, s := range t.files {
		for _, imp := range s.imports {
			out = append(out, t.exclusive(s, imp)...)
			out = append(out, t.own(s, imp)...)
		}
	}
	return append(out, t.reach()...)
}

func (t *Tree) exclusive(s *source, imp imported) []Breach {
	var out []Breach
	for _, law := range exclusive {
		hit := imp.path == law.library || strings.HasPrefix(imp.path, law.library+"/") && strings.Contains(law.library, ".")
		exempt := within(s.dir, law.homes...) || law.tests && (s.test || helper(s.dir))
		if hit && !exempt {
			out = append(out, Breach{t.at(imp.pos), "imports " + imp.path, law.why})
		}
	}
	return out
}

// own checks single imports of the project's own packages.
func (t *Tree) own(s *source, imp imported) []Breach {
	dir := ours(imp.path)
	var out []Breach
	breach := func(why string) { out = append(out, Breach{t.at(imp.pos), "imports " + imp.path, why}) }
	switch {
	case !s.test && helper(dir) && dir != "" && !helper(s.dir):
		breach("test helpers stay out of the program")
	case imp.path == "testing" && !s.test && !helper(s.dir):
		breach("test helpers stay out of the program: put them into a package whose name ends in test")
	case within(dir, "cmd"):
		breach("commands are at the top: nothing imports them")
	}
	return out
}

// reach checks laws that hold through any number of imports, tests left out.
func (t *Tree) reach() []Breach {
	edges := map[string]map[string]imported{}
	for _, s := range t.files {
		if s.test {
			continue
		}
		for _, imp := range s.imports {
			if to := ours(imp.path); to != "" {
				if edges[s.dir] == nil {
					edges[s.dir] = map[string]imported{}
				}
				edges[s.dir][to] = imp
			}
		}
	}
	var out []Breach
	for from := range edges {
		if helper(from) {
			continue
		}
		for _, way := range ways(edges, from) {
			if why := forbidden(from, way[len(way)-1]); why != "" {
				first := edges[way[0]][way[1]]
				out = append(out, Breach{t.at(first.pos), strings.Join(way, " imports "), why})
			}
		}
	}
	slices.SortFunc(out, func(a, b Breach) int { return strings.Compare(a.Where+a.What, b.Where+b.What) })
	return out
}

// ways returns one shortest path from a directory to each other that it reaches.
func ways(edges map[string]map[string]imported, from string) [][]string {
	var out [][]string
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		way := queue[0]
		for to := range edges[way[len(way)-1]] {
			if seen[to] {
				continue
			}
			seen[to] = true
			next := append(slices.Clone(way), to)
			out = append(out, next)
			queue = append(queue, next)
		}
	}
	return out
}

// forbidden says why from must not reach to, or "".
func forbidden(from, to string) string {
	switch {
	case from == "event":
		return "event is the contract that everybody shares: it imports nothing of the project"
	case from == "manifest" && to != "event":
		return "manifest is what players and other implementations verify by: it imports event and nothing else"
	case within(from, "peer", "swarm") && within(to, append([]string{"bus"}, services...)...):
		return "a viewer has no bus and runs no service: what peer needs comes over HTTP or the swarm"
	case within(from, "bus") && within(to, services...):
		return "services use the bus, not the other way round"
	case from == "analytics/collect" && !within(to, "event", "internal/limit"):
		return "what strangers send goes to the bus through little code: the rest is handed in"
	case within(from, "internal/proc", "internal/obs", "internal/datadir", "internal/atomicfile") && !within(to, "internal"):
		return "what runs and observes the process knows nothing of what runs in it"
	}
	for _, s := range services {
		if !within(from, s) {
			continue
		}
		for _, other := range services {
			if other != s && within(to, other) && !within(to, libraries...) {
				return "services meet only through facts on the bus, so that each can run, fail and be replaced alone"
			}
		}
	}
	return ""
}
