package tracing

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// The attributes that no convention has.
const (
	requestIDKey  = "sessions.request.id"
	accountKey    = "sessions.account.id"
	turnIDKey     = "sessions.turn.id"
	stopReasonKey = "sessions.turn.stop_reason"
	workerIDKey   = "sessions.worker.id"
)

// Request is a request for an operation.
type Request struct {
	// Operation is the operationId, and Route the path of the operation with its parameters in braces.
	Operation, Route string
	// Path is the request's path, as much of it as is to be recorded.
	Path string
	// ID is the request's id, and Session the session that it is about; "" for none.
	ID, Session string
}

// Request starts the span of a request, in the trace that the request's headers name, if any.
func (t *Tracer) Request(ctx context.Context, r *http.Request, op Request) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	ctx, span := t.tracer.Start(ctx, op.Operation, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.HTTPRoute(op.Route), semconv.URLScheme(scheme),
		semconv.URLPath(sendable(op.Path)), semconv.NetworkProtocolVersion(strconv.Itoa(r.ProtoMajor)),
	))
	s := spanOf(span)
	if s.recorded() {
		s.set(attributeOf(requestIDKey, op.ID))
		if op.Session != "" {
			s.set(semconv.GenAIConversationID(op.Session))
		}
	}
	return ctx, s
}

// EndRequest ends the span of a request with the status of its response. account is the one that the request acted for.
func (s Span) EndRequest(status int, account string) {
	if !s.recorded() {
		return
	}
	s.set(semconv.HTTPResponseStatusCode(status))
	if account != "" {
		s.set(attributeOf(accountKey, account))
	}
	if status >= http.StatusInternalServerError {
		s.fail(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
	s.End()
}
