// Package contractproxy is a reverse proxy that validates what passes: requests, responses and each event of a stream. It
// holds nothing back in order to report; to enforce the contract it holds a request, a response or an event until it has
// been validated.
package contractproxy

import (
	"context"
	"errors"
	"log"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client/recording"
)

// DefaultMaxBody is how many bytes of a body of JSON, or of an event, are validated by default.
const DefaultMaxBody = 16 << 20

// Options configure a Proxy.
type Options struct {
	// Upstream is the URL that requests go to; their paths are added to its path.
	Upstream *url.URL
	// Transport sends the requests; nil for that of NewTransport.
	Transport http.RoundTripper
	// Enforce refuses what violates the contract: a request gets a 400, which the server does not see, a response becomes a 502,
	// a stream ends with an event of the type error. By default everything passes.
	Enforce bool
	// MaxBody is the most bytes of a response of JSON, of a request while nothing is enforced, and of an event that are
	// validated; 0 for DefaultMaxBody. What is larger passes, and its body is not validated, which is reported. Requests
	// are enforced whatever their size, since the contract bounds it.
	MaxBody int
	// Report is called with each finding, by one goroutine at a time. It must not wait. It may be nil.
	Report func(Finding)
	// Recorder records the exchanges with the server; nil for none. A request that was refused is not among them.
	Recorder *recording.Recorder
}

// Proxy is an http.Handler. It is safe for concurrent use.
type Proxy struct {
	options  Options
	contract *contract.Contract
	reverse  *httputil.ReverseProxy

	mu      sync.Mutex
	summary Summary
}

// New returns a proxy.
func New(o Options) (*Proxy, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	if o.Upstream == nil {
		return nil, errors.New("contractproxy: there is no upstream")
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	p := &Proxy{options: o, contract: compiled, summary: Summary{Violations: map[string]int{}}}
	p.reverse = &httputil.ReverseProxy{
		Rewrite: p.rewrite, ModifyResponse: p.modifyResponse, ErrorHandler: p.handleError,
		Transport: o.Transport, BufferPool: &buffers{}, ErrorLog: log.New(discard{}, "", 0),
	}
	return p, nil
}

// NewTransport returns what sends requests by default, for callers that change something of it: a transport for one host,
// through the proxy that the environment names, which passes compressed bodies on unchanged.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	t.DisableCompression = true
	return t
}

// discard is where ReverseProxy's log goes: exchanges report what it says.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// buffers are the buffers that bodies are copied through.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// Summary counts what passed.
type Summary struct {
	// Exchanges is the number of requests.
	Exchanges int
	// Unchecked is the number of bodies and events that were too large to be validated.
	Unchecked int
	// Violations counts the violations by operationId; "" is for requests outside of the contract.
	Violations map[string]int
}

// Total returns the number of violations.
func (s Summary) Total() (n int) {
	for _, count := range s.Violations {
		n += count
	}
	return n
}

// Operations returns the ids of the operations with violations, sorted.
func (s Summary) Operations() []string { return slices.Sorted(maps.Keys(s.Violations)) }

// Summary returns what has passed so far.
func (p *Proxy) Summary() Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.summary
	s.Violations = maps.Clone(s.Violations)
	return s
}

// report counts and reports a finding.
func (p *Proxy) report(f Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch f.Kind {
	case Violation:
		p.summary.Violations[f.Operation]++
	case Unchecked:
		p.summary.Unchecked++
	}
	if p.options.Report != nil {
		p.options.Report(f)
	}
}

// exchangeKey is the context's key of the *exchange.
type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	e, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return e
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.summary.Exchanges++
	p.mu.Unlock()
	e := p.exchange(w, r)
	if !e.admit(r) {
		return
	}
	defer e.finish()
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e)))
}

// rewrite makes the request to the upstream of the one that arrived: the same, with the upstream's address.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	e := exchangeOf(r.In)
	query := r.In.URL.RawQuery
	r.SetURL(p.options.Upstream)
	if p.options.Upstream.RawQuery == "" {
		r.Out.URL.RawQuery = query // ReverseProxy drops what it cannot parse
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, sent := r.In.Header[name]; sent {
			r.Out.Header[name] = values
		}
	}
	r.Out.Header.Del("Accept-Encoding") // what is encoded cannot be validated
	e.send(r)
	r.Out = r.Out.WithContext(httptrace.WithClientTrace(r.Out.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { e.connected.Store(true) },
	}))
}

// newID returns an id for a request that has none.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
