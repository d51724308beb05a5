package tracing

import (
	"context"

	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Delivery is a work item that a worker gets.
type Delivery struct {
	// ID is the item's, Worker the id that the worker gave; "" for none.
	ID, Environment, Session, Worker string
	// Origin is that of the session's turn.
	Origin Origin
}

// Delivered records that the request in ctx has delivered a work item, in the trace of the session's turn. The span is linked to
// the request: a worker polls for the work of many traces. Without a traced turn nothing is recorded.
func (t *Tracer) Delivered(ctx context.Context, d Delivery) {
	if t == nil || d.Origin.Traceparent == "" {
		return
	}
	_, span := t.tracer.Start(d.Origin.into(context.Background()), "receive work", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(linkTo(ctx)...))
	s := spanOf(span)
	if s.recorded() {
		s.set(
			semconv.MessagingOperationTypeReceive, semconv.MessagingOperationName("receive"), semconv.MessagingSystemKey.String("sessions"),
			semconv.MessagingDestinationName(d.Environment), semconv.MessagingMessageID(d.ID), semconv.GenAIConversationID(d.Session),
		)
		if d.Worker != "" {
			s.set(attributeOf(workerIDKey, d.Worker))
		}
	}
	s.End()
}
