// Package pipeline is everything HTTP around an operation: routes, authentication, validation, idempotency keys, held
// replies, the error envelope, the request log, metrics and injected faults. Outside generated code it is the only
// importer of echo, and it knows nothing of what the operations do.
package pipeline

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/form"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/streams"
	"github.com/cloud-sessions/sessions/server/tracing"
)

// Store is what the pipeline uses of the store: idempotency keys, and whether the database responds.
type Store interface {
	store.Keys
	Atomically(ctx context.Context, fn func(ctx context.Context) error) error
	Ping(ctx context.Context) error
}

// Options configure a pipeline. All of them are required, except where they say otherwise.
type Options struct {
	Contract *contract.Contract
	Auth     *auth.Authenticator
	Store    Store
	Log      *slog.Logger
	// ReportOnly sends a response that violates the contract after the violation was logged and counted; without it
	// the caller gets a 500 in its place.
	ReportOnly bool
	// OnViolation is called with each violation, from the goroutine that serves the request. It may be nil.
	OnViolation func(*contract.Violation)
	// Faults returns what happens to a request for an operation on purpose; nil is nothing.
	Faults func(r *http.Request, operation string) faults.Fault
	// Control serves what is below /control, and returns an error to send; nil serves nothing there.
	Control func(http.ResponseWriter, *http.Request) error
	// Sleep passes the latency of injected faults.
	Sleep func(context.Context, time.Duration) error
	// MaxKeyBytes is how many bytes the idempotency keys of an account may occupy.
	MaxKeyBytes int64
	// Heartbeat is the longest silence on an event stream.
	Heartbeat time.Duration
	// Patience is how long a caller may take to read a frame of a stream, or a piece of another response.
	Patience time.Duration
	// Origins are those whose pages may use the API from a browser; see CheckOrigins. None may by default.
	Origins []string
	// Forms receives request bodies that are forms.
	Forms *form.Receiver
	// Budget bounds the memory that requests and responses hold; nil does not.
	Budget *budget.Budget
	// Tracer starts the spans of requests; nil starts none.
	Tracer *tracing.Tracer
}

// Pipeline serves the API over HTTP. Create it with New, and call Serve before it gets requests.
type Pipeline struct {
	opts         Options
	contract     *contract.Contract
	log          *slog.Logger
	metrics      *metrics
	replies      replies
	compressor   *compressor
	responses    Responses
	fingerprints *fingerprints
	keyBytes     *keyBytes
	streams      *streams.Writers
	handler      http.Handler
	draining     atomic.Bool
}

// New returns a pipeline without operations.
func New(o Options) *Pipeline {
	p := &Pipeline{
		opts: o, contract: o.Contract, log: o.Log, metrics: newMetrics(), compressor: newCompressor(),
		fingerprints: &fingerprints{store: o.Store}, keyBytes: newKeyBytes(o.Store, o.MaxKeyBytes),
	}
	p.streams = streams.New(streams.Options{
		Heartbeat: o.Heartbeat, Patience: o.Patience, Piece: pieceBytes, Unreadable: p.unreadable, Failed: p.streamFailed,
		Dropped: p.metrics.dropped.Inc,
	})
	return p
}

// Serve adds the operations, and what they know of their responses. It returns an error unless every operation of the contract is served: each needs a route,
// validation and a security decision.
func (p *Pipeline) Serve(operations echoserver.StrictServerInterface, responses Responses) error {
	p.responses = responses
	handler, err := p.routes(operations)
	if err != nil {
		return err
	}
	if p.opts.Faults != nil {
		handler = p.rehearse(p.opts.Faults, handler)
	}
	p.handler = crossOrigin(p.contract, p.opts.Origins, linger(handler))
	if p.opts.Control != nil {
		p.handler = withoutOrigins(linger(handler), p.handler)
	}
	return nil
}

// ServeHTTP serves the API at /api/v1/cloud and at /v1, and next to it /healthz, /readyz, /metrics, the contract
// (/openapi.yaml, /openapi.json, and /openapi-3.2.json as OpenAPI 3.2), and the pages for people: /, /console and /docs.
func (p *Pipeline) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handler.ServeHTTP(&pacedWriter{ResponseWriter: w, patience: p.opts.Patience, http2: r.ProtoMajor == 2}, withPlainPath(r))
}

// Drain turns /readyz red and asks the callers of further requests to close their connections.
func (p *Pipeline) Drain() { p.draining.Store(true) }

// Gauge adds a metric whose value is what fn returns. fn must be safe for concurrent use.
func (p *Pipeline) Gauge(name, help string, fn func() int) { p.metrics.gauge(name, help, fn) }

// CheckFrame validates the data of a frame of an event stream. A violation is counted and returned.
func (p *Pipeline) CheckFrame(data []byte) error {
	violation := p.contract.Schema("StreamedEvent").Check(data)
	if violation == nil {
		return nil
	}
	violation.Operation, violation.Status = "streamEvents", http.StatusOK
	p.violated(violation)
	return violation
}

// violated counts a violation and reports it to Options.OnViolation.
func (p *Pipeline) violated(v *contract.Violation) {
	p.metrics.violation(v.Operation, v.Rule)
	if p.opts.OnViolation != nil {
		p.opts.OnViolation(v)
	}
}
