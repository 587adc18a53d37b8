package obs

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// spanQueue bounds the spans that wait for the collector; more are dropped.
const spanQueue = 2048

// errorPause is the least time between two log lines about the collector.
const errorPause = int64(time.Minute)

// Tracing makes the tracers of a process. A nil *Tracing is tracing that is off.
type Tracing struct{ provider *sdktrace.TracerProvider }

// TraceOptions say where spans go.
type TraceOptions struct {
	URL   string // OTLP over HTTP, such as http://127.0.0.1:4318; without a path, /v1/traces is meant
	Build Build
	Log   *slog.Logger // told at most once a minute that the collector refuses spans
}

// StartTracing begins to send spans. The collector need not answer yet: what it cannot
// take is dropped, and nothing waits for it.
func StartTracing(ctx context.Context, o TraceOptions) (*Tracing, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("trace address %q is not a URL: use one like http://127.0.0.1:4318", o.URL)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(u.String()),
		otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("set up tracing to %s: %w", o.URL, err)
	}
	otel.SetErrorHandler(rareErrors(o.Log))
	return newTracing(sdktrace.NewBatchSpanProcessor(exporter, sdktrace.WithMaxQueueSize(spanQueue)), o.Build), nil
}

func newTracing(p sdktrace.SpanProcessor, b Build) *Tracing {
	return &Tracing{sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(p),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "shoal"),
			attribute.String("service.version", b.Version),
		)),
	)}
}

// rareErrors logs the SDK's complaints, all but one a minute left out.
func rareErrors(log *slog.Logger) otel.ErrorHandlerFunc {
	var last atomic.Int64
	return func(err error) {
		now := time.Now().UnixNano()
		if was := last.Load(); log == nil || now-was < errorPause || !last.CompareAndSwap(was, now) {
			return
		}
		log.Warn("traces were not delivered", KeyError, err)
	}
}

// Tracer returns the tracer of one service: one that costs nothing when t is nil.
func (t *Tracing) Tracer(service string) trace.Tracer {
	if t == nil {
		return noop.Tracer{}
	}
	return t.provider.Tracer("github.com/shoalcast/shoal/" + service)
}

// Shutdown sends what is queued, as long as ctx lasts.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Continue starts a span under the one that a W3C traceparent names, as carried by
// event.Piece.Trace, or a new trace when it is empty or malformed. It returns at once
// and allocates nothing when the tracer is off.
func Continue(ctx context.Context, t trace.Tracer, traceparent, name string) (context.Context, trace.Span) {
	if _, off := t.(noop.Tracer); off || t == nil {
		return ctx, noop.Span{}
	}
	if traceparent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
	}
	return t.Start(ctx, name)
}

// Traceparent names the context's span for others to continue; empty without one.
func Traceparent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c["traceparent"]
}
