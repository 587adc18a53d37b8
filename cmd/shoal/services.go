package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
	"github.com/shoalcast/shoal/keyring"
	"github.com/shoalcast/shoal/matchmaker"
	"github.com/shoalcast/shoal/packager"
	"github.com/shoalcast/shoal/seeder"
	"github.com/shoalcast/shoal/web"
)

func (n *node) addIngest(ctx context.Context, i ingestFlags) error {
	rate, err := parseBytes("--max-bitrate", i.MaxBitrate)
	if err != nil {
		return refused(err)
	}
	instance, err := n.instance()
	if err != nil {
		return refused(err)
	}
	listeners, err := n.mediaListeners(i)
	if err != nil {
		return err
	}
	opts := ingest.Options{
		Bus:      n.bus,
		Log:      n.log.With(obs.KeyService, "ingest"),
		Metrics:  ingest.NewMetrics(n.reg),
		Instance: instance,
		RTMP:     listeners,
		Piece:    i.Piece,
		Idle:     i.Idle,
		ByteRate: rate,
	}
	if n.trace != nil {
		opts.Trace = beginTrace(n.trace.Tracer("ingest"))
	}
	s := ingest.New(opts)
	if err := n.listenSRT(ctx, s, i); err != nil {
		return err
	}
	n.ready.add("ingest", closed(s.Ready()))
	n.pull = s.Pull
	n.group.Add(proc.Intake, "ingest", s.Run)
	return nil
}

// beginTrace starts the trace that follows a piece through the services.
func beginTrace(t trace.Tracer) func(context.Context, *event.Piece) string {
	return func(ctx context.Context, p *event.Piece) string {
		ctx, span := t.Start(ctx, "ingest piece", trace.WithTimestamp(p.Arrived), trace.WithAttributes(pieceAttributes(p)...))
		span.End()
		return obs.Traceparent(ctx)
	}
}

func pieceAttributes(p *event.Piece) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("shoal.stream", string(p.Stream)),
		attribute.String("shoal.rendition", string(p.Rendition)),
		attribute.Int64("shoal.epoch", int64(p.Epoch)),
		attribute.Int64("shoal.n", int64(p.N)),
		attribute.Int("shoal.bytes", len(p.Data)),
	}
}

func (n *node) addPackager(f retentionFlags, window time.Duration, sessions *keyring.SessionKeys) {
	if window == 0 {
		window = -1
	}
	tracer := n.trace.Tracer("packager")
	s := packager.New(packager.Options{
		Bus:       n.bus,
		Keys:      sessions,
		Log:       n.log.With(obs.KeyService, "packager"),
		Metrics:   packager.NewMetrics(n.reg),
		Retention: f.Retention,
		Archive:   window,
		Trace: func(ctx context.Context, p *event.Piece) (string, func()) {
			ctx, span := obs.Continue(ctx, tracer, p.Trace, "sign entry")
			return obs.Traceparent(ctx), func() { span.End() }
		},
	})
	n.ready.add("packager", closed(s.Ready()))
	n.group.Add(proc.Service, "packager", s.Run)
}

// pages lets viewers' pages have NATS and returns what admits them; nil where the bus is
// an outside server, whose accounts are not ours to say.
func (n *node) pages() func(event.StreamID) (bus.Pass, error) {
	if n.server == nil {
		return nil
	}
	p := n.server.NewPages(bus.PagesOptions{Log: n.log.With(obs.KeyService, "nats"), Reg: n.reg})
	n.mux.Handle("GET /nats", p)
	n.group.Add(proc.Intake, "nats", p.Run)
	return n.server.Pass
}

// addSeeder adds the origin, and its part in swarms. own is the tracker in this process,
// where there is one.
func (n *node) addSeeder(o originFlags, h httpFlags, sw swarmFlags, a archiveFlags, t telemetryFlags, own *matchmaker.Service) (*seeder.Service, error) {
	window, err := parseBytes("--window-max", o.WindowMax)
	if err != nil {
		return nil, refused(err)
	}
	archive, err := parseBytes("--archive-max", a.ArchiveMax)
	if err != nil {
		return nil, refused(err)
	}
	site := web.Built().ConnectTo(append(list(sw.Trackers), h.PublicURL)...)
	opts := seeder.Options{
		Bus:         n.bus.As("seeder"),
		Log:         n.log.With(obs.KeyService, "seeder"),
		Metrics:     seeder.NewMetrics(n.reg),
		Window:      o.Window,
		WindowBytes: int64(window),
		PublicURL:   h.PublicURL,
		Consent:     o.Consent,
		Passes:      n.pages(),
		Tracer:      n.trace.Provider(),
		Telemetry:   t.Telemetry,
	}
	if a.ArchiveWindow > 0 {
		opts.ArchiveDir, opts.ArchiveAge, opts.ArchiveBytes = n.dir.Path("archive"), a.ArchiveAge, int64(archive)
	}
	if err := n.seeding(sw, h.PublicURL, own, &opts); err != nil {
		return nil, err
	}
	s := seeder.New(opts)
	n.ready.add("seeder", s.Ready)
	n.mux.HandleFunc("GET /{$}", site.Index)
	n.mux.HandleFunc("GET /live/{name}", site.Live)
	n.mux.HandleFunc("GET /embed/{name}", site.Embed)
	n.mux.HandleFunc("GET /player.js", site.Library)
	n.mux.Handle("GET /assets/", site.Assets())
	n.mux.Handle("/live/", s.Handler())
	n.mux.Handle("/p/", s.Handler())
	n.mux.Handle("/api/", s.Handler())
	n.mux.HandleFunc("/", site.NotFound)
	n.collect(t, s)
	n.group.Add(proc.Service, "seeder", s.Run)
	return s, nil
}
