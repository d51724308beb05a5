package tracing

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/request"
)

// Origin is where a session's turn comes from. It travels with the turn in the store, so that the process that runs the turn
// knows it.
type Origin struct {
	// RequestID is the id of the request that started the turn or, if it has continued, that continued it last.
	RequestID string `json:"request_id,omitempty"`
	// Traceparent and Tracestate are the context of the request that started the turn: all runs of the turn are in that
	// trace. Continued is the traceparent of the request that continued it last. They are "" without a trace.
	Traceparent string `json:"traceparent,omitempty"`
	Tracestate  string `json:"tracestate,omitempty"`
	Continued   string `json:"continued,omitempty"`
}

// maxTracestate is the most bytes of a tracestate that is kept: the least that every system keeps by the W3C's recommendation.
const maxTracestate = 512

// Started returns the origin of a turn that ctx's request starts.
func Started(ctx context.Context) string {
	info := request.From(ctx)
	origin := Origin{RequestID: info.ID}
	if trace.SpanContextFromContext(info.Context).IsValid() {
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(info.Context, carrier)
		origin.Traceparent = carrier["traceparent"]
		if state := carrier["tracestate"]; len(state) <= maxTracestate {
			origin.Tracestate = state
		}
	}
	return origin.text()
}

// Continued returns the origin of a turn that ctx's request continues.
func Continued(ctx context.Context, text string) string {
	info, origin := request.From(ctx), ReadOrigin(text)
	origin.RequestID, origin.Continued = info.ID, parentOf(info.Context)
	return origin.text()
}

func (o Origin) text() string {
	if o == (Origin{}) {
		return ""
	}
	text, _ := plainjson.Marshal(o) // text always marshals
	return string(text)
}

// ReadOrigin reads what Started or Continued returned; the zero Origin for another text.
func ReadOrigin(text string) (o Origin) {
	if text == "" || json.Unmarshal([]byte(text), &o) != nil {
		return Origin{}
	}
	return o
}

// into returns ctx with the request that started the turn as the parent of what follows.
func (o Origin) into(ctx context.Context) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": o.Traceparent, "tracestate": o.Tracestate})
}

// links returns a link to the request that continued the turn, if one did.
func (o Origin) links() []trace.Link {
	return linkTo(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": o.Continued}))
}

// linkTo returns a link to the span in ctx, if there is one.
func linkTo(ctx context.Context) []trace.Link {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		return []trace.Link{{SpanContext: sc}}
	}
	return nil
}
