package seeder

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// span adds to a traced piece's trace the time from ingest to its release by the origin.
func (r *rendition) span(now time.Time, it *item) {
	if it.trace == "" {
		return
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": it.trace})
	_, s := r.opts.Tracer.Tracer("github.com/shoalcast/shoal/seeder").Start(ctx, "origin release",
		trace.WithTimestamp(it.received), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("shoal.stream", string(r.stream.id)),
			attribute.String("shoal.position", it.position().String()),
		))
	s.End(trace.WithTimestamp(now))
}
