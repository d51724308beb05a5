package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/otelclient"
)

// collector receives spans by OTLP over HTTP, as collectors of OpenTelemetry do.
type collector struct {
	*testing.T
	url string

	mu    sync.Mutex
	spans []span
}

// span is a span that a collector has received.
type span struct {
	*tracepb.Span
	service, instance string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{T: t}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collectorpb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		c.add(&sent)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(web.Close)
	c.url = web.URL
	return c
}

// environment is the variables that make a process send its spans to the collector: when it ends, or when there are many.
func (c *collector) environment() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_BSP_SCHEDULE_DELAY=3600000"}
}

func (c *collector) add(sent *collectorpb.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range sent.ResourceSpans {
		attributes := resource.Resource.Attributes
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, span{s, text(attributes, "service.name"), text(attributes, "service.instance.id")})
			}
		}
	}
}

// client is a client of a server that sends its spans to the collector, and the context of a program that is traced. end ends
// the program's span and sends what is left.
func (c *collector) client(baseURL, token string) (cl *client.Client, ctx context.Context, end func()) {
	c.Helper()
	exporter, err := otlptracehttp.New(c.Context(), otlptracehttp.WithEndpointURL(c.url+"/v1/traces"))
	if err != nil {
		c.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	cl, err = client.New(client.WithBaseURL(baseURL+"/v1"), client.WithToken(token), otelclient.Trace(otelclient.Options{TracerProvider: provider}))
	if err != nil {
		c.Fatal(err)
	}
	ctx, root := provider.Tracer("test").Start(c.Context(), "program")
	return cl, ctx, func() {
		root.End()
		if err := provider.Shutdown(c.Context()); err != nil {
			c.Error(err)
		}
	}
}

// named returns the spans with a name, in the order of their starts.
func (c *collector) named(name string) (found []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b span) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
	return found
}

// only returns the span with a name.
func (c *collector) only(name string) span {
	c.Helper()
	found := c.named(name)
	if len(found) != 1 {
		c.Fatalf("%d spans %q", len(found), name)
	}
	return found[0]
}

// names returns the different names of spans.
func (c *collector) names() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// holds returns the spans that have a text among their names and attributes.
func (c *collector) holds(words string) (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if strings.Contains(s.String(), words) {
			found = append(found, s.Name)
		}
	}
	return found
}

// traceparent is how requests to other servers name the span.
func (s span) traceparent() string {
	return fmt.Sprintf("00-%s-%s-", hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId))
}

// isChildOf reports whether the span is a child of another one.
func (s span) isChildOf(parent span) bool {
	return string(s.TraceId) == string(parent.TraceId) && string(s.ParentSpanId) == string(parent.SpanId)
}

// attribute returns the text of an attribute, "" without it.
func (s span) attribute(key string) string { return text(s.Attributes, key) }

func text(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.Key == key {
			switch v := a.Value.Value.(type) {
			case *commonpb.AnyValue_StringValue:
				return v.StringValue
			case *commonpb.AnyValue_IntValue:
				return fmt.Sprint(v.IntValue)
			}
		}
	}
	return ""
}
