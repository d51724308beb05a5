// Package otelclient traces the calls of a client with OpenTelemetry: each attempt of a call gets a span, and its headers name
// the trace, so that the spans of the server are in it. It is a package of its own so that programs without OpenTelemetry do
// not carry it.
//
//	c, err := client.New(otelclient.Trace(otelclient.Options{}))
package otelclient

import (
	"io"
	"net/http"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/client"
)

// Options configure Trace. The zero value uses what the program has registered with package otel.
type Options struct {
	// TracerProvider makes the spans; otel.GetTracerProvider() by default.
	TracerProvider trace.TracerProvider
	// Propagator writes the headers. It is otel.GetTextMapPropagator() by default, or the W3C's trace context if the program
	// has set none.
	Propagator propagation.TextMapPropagator
}

// Trace returns an option that traces calls. The span of an attempt is named after the method of the client, such as
// "Sessions.Create", and lasts until the response has been read; that of a stream lasts as long as the connection. It has the
// method, the URL without its query, and the status, and nothing of headers and bodies.
func Trace(o Options) client.Option {
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	tracer := o.TracerProvider.Tracer("github.com/cloud-sessions/sessions/client", trace.WithSchemaURL(semconv.SchemaURL))
	return client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			ctx, span := tracer.Start(req.Context(), client.MethodOf(req.Context()), trace.WithSpanKind(trace.SpanKindClient))
			describe(span, req)
			req = req.WithContext(ctx)
			o.propagator().Inject(ctx, propagation.HeaderCarrier(req.Header))
			resp, err := next(req)
			if err != nil {
				fail(span, semconv.ErrorType(err).Value.AsString())
				span.End()
				return nil, err
			}
			span.SetAttributes(semconv.HTTPResponseStatusCode(resp.StatusCode))
			if resp.StatusCode >= http.StatusBadRequest {
				fail(span, strconv.Itoa(resp.StatusCode))
			}
			if resp.Body == nil {
				span.End()
				return resp, nil
			}
			resp.Body = &tracedBody{ReadCloser: resp.Body, end: sync.OnceFunc(func() { span.End() })}
			return resp, nil
		}
	})
}

// propagator returns the propagator, which the program may set after the client was made.
func (o Options) propagator() propagation.TextMapPropagator {
	if o.Propagator != nil {
		return o.Propagator
	}
	if p := otel.GetTextMapPropagator(); len(p.Fields()) > 0 {
		return p
	}
	return propagation.TraceContext{}
}

// describe records what is known of a request.
func describe(span trace.Span, req *http.Request) {
	if !span.IsRecording() {
		return
	}
	url := *req.URL
	url.User, url.RawQuery, url.Fragment = nil, "", ""
	span.SetAttributes(semconv.HTTPRequestMethodKey.String(req.Method), semconv.URLFull(url.String()), semconv.ServerAddress(url.Hostname()))
	if port, err := strconv.Atoi(url.Port()); err == nil {
		span.SetAttributes(semconv.ServerPort(port))
	}
}

func fail(span trace.Span, kind string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	span.SetStatus(codes.Error, "")
}

// tracedBody ends the span with the body.
type tracedBody struct {
	io.ReadCloser
	end func()
}

// Read implements io.Reader.
func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

// Close implements io.Closer.
func (b *tracedBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
