package tracing_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/usage"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	parent  = "00-" + traceID + "-b7ad6b7169203331-01"
)

// recorded returns a tracer, and a function that returns the spans that have ended.
func recorded(t *testing.T, options ...sdktrace.TracerProviderOption) (*tracing.Tracer, func() tracetest.SpanStubs) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSyncer(exporter))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return tracing.New(provider), exporter.GetSpans
}

// incoming returns a request with headers, and the context of a request in progress.
func incoming(headers map[string]string) (*http.Request, *request.Info) {
	r := httptest.NewRequest(http.MethodPost, "/v1/sessions/sess_1/events?secret=1", nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r, &request.Info{Context: context.Background(), ID: "req 1"}
}

// everything does all that is traced.
func everything(ctx context.Context, tracer *tracing.Tracer, r *http.Request, header http.Header, origin tracing.Origin) {
	ctx, span := tracer.Request(ctx, r, tracing.Request{Operation: "sendEvents", Route: "/v1/x", ID: "req 1", Session: "sess_1"})
	turn, run := tracer.Turn(ctx, tracing.Turn{ID: "turn_1", AgentName: "a", Model: "m", Origin: origin})
	chat, model := tracing.Model(turn, "openai", "m", "https://m.example/v1")
	tracing.Inject(chat, header)
	_ = tracing.Outgoing(r)
	model.Replied(tracing.Reply{ID: "r", Model: "m", Reason: "stop", Used: usage.Usage{InputTokens: 1}}, nil)
	model.End()
	used, tool := tracing.Tool(turn, "look", "tracker")
	_, call := tracing.MCP(used, "tools/call", "look", "https://t.example/mcp")
	call.Fail(errFailed)
	call.End()
	tool.FailTool()
	tool.End()
	run.Stopped("end_turn", usage.Usage{}, nil)
	_ = run.Into(ctx)
	run.End()
	tracer.Delivered(ctx, tracing.Delivery{ID: "work_1", Origin: origin})
	_ = tracing.ID(ctx)
	span.EndRequest(200, "acme")
}

var errFailed = errors.New("it failed, and quotes what was said")

// TestOffCostsNothing runs everything that is traced without a tracer.
func TestOffCostsNothing(t *testing.T) {
	r, info := incoming(map[string]string{"Traceparent": parent})
	header := http.Header{}
	origin := tracing.Origin{RequestID: "req 1", Traceparent: parent}
	if allocations := testing.AllocsPerRun(100, func() { everything(info, nil, r, header, origin) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	if len(header) != 0 {
		t.Errorf("%v", header)
	}
}

// TestNotSampled continues a trace that its caller does not record: nothing is recorded, and the trace continues.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	tracer, spans := recorded(t)
	unsampled := strings.TrimSuffix(parent, "1") + "0"
	r, info := incoming(map[string]string{"Traceparent": unsampled})
	header := http.Header{}
	everything(info, tracer, r, header, tracing.Origin{Traceparent: unsampled})
	if got := header.Get("Traceparent"); len(spans()) != 0 || !strings.HasPrefix(got, "00-"+traceID) || !strings.HasSuffix(got, "-00") {
		t.Errorf("%d spans, %q", len(spans()), got)
	}
}

// TestWhatIsRecorded looks at the names, the parents and the failures.
func TestWhatIsRecorded(t *testing.T) {
	t.Parallel()
	tracer, spans := recorded(t)
	r, info := incoming(map[string]string{"Traceparent": parent, "Tracestate": "vendor=1", "Baggage": "said=words"})
	header := http.Header{}
	everything(info, tracer, r, header, tracing.Origin{Traceparent: parent})
	var got []string
	for _, s := range spans() {
		got = append(got, strings.TrimSpace(strings.Join([]string{s.SpanKind.String(), s.Name, s.Status.Code.String()}, " ")))
		for _, a := range s.Attributes {
			if text := a.Value.String(); strings.Contains(text, "said") || strings.Contains(text, "secret") {
				t.Errorf("%s has %s", s.Name, text)
			}
		}
		if s.SpanContext.TraceID().String() != traceID {
			t.Errorf("%s is in another trace", s.Name)
		}
	}
	want := []string{
		"client chat m Unset", "client tools/call look Error", "internal execute_tool look Error", "internal invoke_agent a Unset",
		"consumer receive work Unset", "server sendEvents Unset",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(header) != 1 || !strings.HasPrefix(header.Get("Traceparent"), "00-"+traceID) {
		t.Errorf("the other server gets %v", header)
	}
	failed, span := tracer.Request(info, r, tracing.Request{Operation: "getSession"})
	span.EndRequest(503, "")
	last := spans()[len(spans())-1]
	if last.Status.Code.String() != "Error" || !trace.SpanContextFromContext(failed).IsValid() {
		t.Errorf("a 503 has the status %v", last.Status)
	}
}

// TestOrigins starts and continues a turn: the trace is that of the start, the request id that of the last request.
func TestOrigins(t *testing.T) {
	t.Parallel()
	tracer, spans := recorded(t)
	begin := func(id string, headers map[string]string) *request.Info {
		r, info := incoming(headers)
		info.ID = id
		ctx, span := tracer.Request(info.Context, r, tracing.Request{Operation: id})
		span.EndRequest(200, "")
		info.Context = ctx
		return info
	}
	started := tracing.Started(begin("first", map[string]string{"Traceparent": parent, "Tracestate": "vendor=1"}))
	continued := tracing.Continued(begin("second", nil), started)
	first, second := tracing.ReadOrigin(started), tracing.ReadOrigin(continued)
	if first.RequestID != "first" || !strings.HasPrefix(first.Traceparent, "00-"+traceID) || first.Tracestate != "vendor=1" || first.Continued != "" {
		t.Errorf("%s", started)
	}
	if second.RequestID != "second" || second.Traceparent != first.Traceparent || second.Tracestate != "vendor=1" ||
		!strings.Contains(second.Continued, spans()[1].SpanContext.SpanID().String()) {
		t.Errorf("%s", continued)
	}
	_, run := tracer.Turn(t.Context(), tracing.Turn{Origin: second})
	run.End()
	if last := spans()[2]; last.Parent.SpanID() != spans()[0].SpanContext.SpanID() || len(last.Links) != 1 || last.Links[0].SpanContext.SpanID() != spans()[1].SpanContext.SpanID() {
		t.Errorf("%+v", last)
	}

	long := "vendor=" + strings.Repeat("x", 250) + ",other=" + strings.Repeat("y", 250) + ",third=1"
	_, info := incoming(nil)
	largest := tracing.Started(begin(strings.Repeat(`"`, 128), map[string]string{"Traceparent": parent, "Tracestate": long}))
	if o := tracing.ReadOrigin(largest); o.Tracestate != "" || o.Traceparent == "" || len(tracing.Continued(info, largest)) >= 2<<10 {
		t.Errorf("%d bytes: %s", len(largest), largest)
	}
	if got := tracing.Started(t.Context()); got != "" {
		t.Errorf("without a request: %q", got)
	}
	if got := tracing.ReadOrigin("no JSON"); got != (tracing.Origin{}) {
		t.Errorf("%+v", got)
	}
}

// TestTextsOfCallers tests that no text that a caller has chosen makes a span one that cannot be sent: the protocol has UTF-8 only,
// and a whole batch is lost with one span. Nor does a span have more than a part of a long one.
func TestTextsOfCallers(t *testing.T) {
	t.Parallel()
	tracer, spans := recorded(t)
	r, info := incoming(nil)
	wild := "\xff" + strings.Repeat("é", 5000)
	ctx, span := tracer.Request(info, r, tracing.Request{Operation: "getSession", Route: "/v1/x", Path: wild, ID: "req 1", Session: wild})
	turn, run := tracer.Turn(ctx, tracing.Turn{ID: "turn_1", AgentName: wild, Model: wild})
	chat, model := tracing.Model(turn, "openai", wild, "https://m.example/v1")
	model.Replied(tracing.Reply{ID: wild, Model: wild}, nil)
	_, tool := tracing.Tool(chat, wild, "")
	tool.End()
	model.End()
	run.End()
	span.EndRequest(200, "acme")
	got := spans()
	if len(got) != 4 {
		t.Fatalf("%d spans", len(got))
	}
	const most = 1024 + 2 // U+FFFD is longer than the byte that it stands for
	for _, s := range got {
		if !utf8.ValidString(s.Name) || len(s.Name) > most {
			t.Errorf("a name of %d bytes: %.40q", len(s.Name), s.Name)
		}
		for _, a := range s.Attributes {
			if text := a.Value.AsString(); a.Value.Type() == attribute.STRING && (!utf8.ValidString(text) || len(text) > most) {
				t.Errorf("%s has %d bytes: %.40q", a.Key, len(text), text)
			}
		}
	}
}
