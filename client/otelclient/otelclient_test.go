package otelclient_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/otelclient"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestTrace calls methods of each kind: each attempt has a span in the trace of the program, and names it to the server.
func TestTrace(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Faults("rules:\n  - {operations: listModels, first: 1, answer: {status: 503, retry_after: 1ms}}\n")
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	var sent []string
	c, err := client.New(client.WithBaseURL(s.BaseURL), client.WithToken(s.Token), otelclient.Trace(otelclient.Options{TracerProvider: provider}),
		client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
			return func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.Header.Get("Traceparent"))
				return next(r)
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := provider.Tracer("test").Start(t.Context(), "program")
	session, err := c.Sessions.Create(ctx, &client.CreateSessionRequest{Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Models.List(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sessions.Get(ctx, "sess_none"); !errors.Is(err, client.ErrNotFound) {
		t.Fatal(err)
	}
	for _, err := range c.Sessions.Run(ctx, session.ID, "Hi", nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
	root.End()
	var got []string
	for i, span := range exporter.GetSpans() {
		if span.Name == "program" {
			continue
		}
		got = append(got, strings.Join([]string{span.SpanKind.String(), span.Name, span.Status.Code.String()}, " "))
		if span.Parent.SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s is not a child of the program", span.Name)
		}
		if i < len(sent) && !strings.Contains(sent[i], span.SpanContext.SpanID().String()) {
			t.Errorf("%s: the server saw %q", span.Name, sent[i])
		}
		for _, a := range span.Attributes {
			if text := a.Value.String(); strings.Contains(text, s.Token) || strings.Contains(text, "?") {
				t.Errorf("%s has %s", span.Name, text)
			}
		}
	}
	want := []string{
		"client Sessions.Create Unset", "client Models.List Error", "client Models.List Unset", "client Sessions.Get Error",
		"client Sessions.Run Unset", "client Sessions.Run Unset",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNoResponse ends the span of an attempt that gets no response.
func TestNoResponse(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	fail := client.WithHTTPClient(&http.Client{Transport: client.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return nil, context.DeadlineExceeded
	})})
	c, err := client.New(client.WithToken("pt-x"), client.WithMaxRetries(0), fail, otelclient.Trace(otelclient.Options{TracerProvider: provider}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Models.List(t.Context())
	if spans := exporter.GetSpans(); err == nil || len(spans) != 1 || spans[0].Status.Code.String() != "Error" {
		t.Errorf("%v, %v", err, spans)
	}
}
