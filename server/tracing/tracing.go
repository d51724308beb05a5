// Package tracing gives the work of the server spans of OpenTelemetry. It alone knows how they are named and described: by
// the semantic conventions for HTTP, generative AI, MCP, databases and messaging. Attributes hold names, ids, numbers and
// types, never what callers, models or tools say, and no secrets.
//
// Three things begin or continue a trace in a process: a request, the run of a turn, and the delivery of a work item. A Tracer
// starts their spans. The spans of what is done for them are children of the span in the context, and need no Tracer. Without
// a Tracer, and in a trace that is not sampled, nothing is recorded and nothing is allocated.
package tracing

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0" // the last version that has generative AI and MCP
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/server/internal/text"
)

// scope names the instrumentation.
const scope = "github.com/cloud-sessions/sessions/server"

// Tracer starts the spans that begin or continue a trace in this process. A nil Tracer starts none. It is safe for
// concurrent use.
type Tracer struct{ tracer trace.Tracer }

// New returns a Tracer of a provider, nil for nil.
func New(provider trace.TracerProvider) *Tracer {
	if provider == nil {
		return nil
	}
	return &Tracer{tracerOf(provider)}
}

func tracerOf(provider trace.TracerProvider) trace.Tracer {
	return provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
}

// Span is a span that is being recorded, or none: the methods of the zero Span do nothing.
type Span struct{ span trace.Span }

// spanOf returns a span, or none if it is not recorded.
func spanOf(s trace.Span) Span {
	if !s.IsRecording() {
		return Span{}
	}
	return Span{s}
}

// recorded reports whether attributes matter.
func (s Span) recorded() bool { return s.span != nil }

// set sets attributes; call it only if the span is recorded, so that they cost nothing otherwise.
func (s Span) set(attributes ...attribute.KeyValue) {
	for i, a := range attributes {
		if a.Value.Type() == attribute.STRING {
			attributes[i].Value = attribute.StringValue(sendable(a.Value.AsString()))
		}
	}
	s.span.SetAttributes(attributes...)
}

// longestText is how much of a text a span has, in bytes: callers choose some of them.
const longestText = 1024

// sendable returns a text as a span can have it: the protocol allows UTF-8 only, and a collector gets none of the spans of
// a batch in which one has another text.
func sendable(s string) string { return strings.ToValidUTF8(text.Cut(s, longestText), "\uFFFD") }

// Fail marks the span as failed with the type of an error. The error's text is not recorded: it may quote what was said.
func (s Span) Fail(err error) {
	if s.recorded() && err != nil {
		s.fail(semconv.ErrorType(err))
	}
}

// fail marks the span as failed for a reason.
func (s Span) fail(reason attribute.KeyValue) {
	s.set(reason)
	s.span.SetStatus(codes.Error, "")
}

// End ends the span.
func (s Span) End() {
	if s.recorded() {
		s.span.End()
	}
}

// Into returns ctx with the span in it: what is done with it becomes a child of the span.
func (s Span) Into(ctx context.Context) context.Context {
	if !s.recorded() {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// child starts a child of the span in ctx; none when that is not recorded. The name is the operation, and its target unless
// that is "".
func child(ctx context.Context, kind trace.SpanKind, operation, target string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	name := operation
	if target != "" {
		name += " " + target
	}
	ctx, span := tracerOf(parent.TracerProvider()).Start(ctx, sendable(name), trace.WithSpanKind(kind))
	return ctx, spanOf(span)
}

// Detach returns a context that has the span of ctx, which does not end with ctx and keeps nothing else of it.
func Detach(ctx context.Context) context.Context {
	span := trace.SpanFromContext(ctx)
	if !span.SpanContext().IsValid() {
		return context.Background()
	}
	return trace.ContextWithSpan(context.Background(), span)
}

// ID returns the id of the trace in ctx, as logs have it; "" without one.
func ID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		return sc.TraceID().String()
	}
	return ""
}

// Inject adds the traceparent of the span in ctx to the headers of a request to another server. It adds no tracestate and no
// baggage, which are for the systems of the operator and of callers (decision "Traces").
func Inject(ctx context.Context, header http.Header) {
	if parent := parentOf(ctx); parent != "" {
		header.Set("Traceparent", parent)
	}
}

// Outgoing returns a request to another server with the traceparent of the span in its context; without one it returns r.
func Outgoing(r *http.Request) *http.Request {
	parent := parentOf(r.Context())
	if parent == "" {
		return r
	}
	out := r.Clone(r.Context())
	out.Header.Set("Traceparent", parent)
	return out
}

// parentOf returns the traceparent of the span in ctx; "" without one.
func parentOf(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}
