// Package server runs the Cloud Sessions API: New gives an http.Handler that checks every request and
// every response against the contract, Run serves it until a context ends. Echo stays inside
// routes.go, pipeline.go and errors.go.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
)

// ResponseCheck says what happens to a response that breaks the contract.
type ResponseCheck string

// The modes of the response check.
const (
	// Enforce turns the response into a 500, logs the violation and counts it.
	Enforce ResponseCheck = "enforce"
	// Report logs the violation and counts it, and sends the response.
	Report ResponseCheck = "report"
)

// FeatureM3 opens the fields that the seed calls M3 gated: resources and vault_ids.
const FeatureM3 = "m3"

// Config says how a server runs. The zero value serves on a free port of 127.0.0.1 from memory.
type Config struct {
	// Addr is the TCP address to listen on, host:port; port 0 takes a free one. Default 127.0.0.1:0.
	Addr string
	// DB is the database: sqlite:PATH, or sqlite::memory: for one that ends with the server, the default, or
	// postgres://…, which several servers may share.
	DB string
	// DBMaxConns, DBStatementTimeout and DBConnectTimeout bound the use of PostgreSQL: see sqlstore.Options, which
	// has the defaults.
	DBMaxConns                           int
	DBStatementTimeout, DBConnectTimeout time.Duration
	// Demo makes the documentation page's own agent and environment, and a token for them.
	Demo bool
	// DemoToken is the demo account's token; empty for a new one.
	DemoToken string
	// Models is a YAML file of the models that GET /models lists; a built-in list by default.
	Models string
	// Runner answers messages; turn.Echo by default.
	Runner turn.Runner
	// Workers is how many turns are worked on at a time; 256 by default.
	Workers int
	// MaxTurns is how many turns an account may have under way, in line included; 1,000 by default.
	MaxTurns int
	// MaxStreams is how many event streams an account may have open, at all servers on the database that Run;
	// 1,000 by default.
	MaxStreams int
	// Heartbeat is the longest silence on an event stream; 15 seconds by default.
	Heartbeat time.Duration
	// StreamPatience is how long the reader of an event stream may take for a frame; 10 seconds by default.
	StreamPatience time.Duration
	// TurnPatience is how long a runner that was told to stop may take to do so; 5 seconds by default.
	TurnPatience time.Duration
	// Clock measures the time between increments of messages; turn.WallClock by default.
	Clock turn.Clock
	// Features are switched on; FeatureM3 is known.
	Features []string
	// Faults fail some requests on purpose; for rehearsals only, and only with Demo. Nil, the default, fails none.
	Faults *faults.Injector
	// ResponseCheck is Enforce by default.
	ResponseCheck ResponseCheck
	// OnViolation is called with each violation of the contract, in a response or a stream's frame, from the goroutine
	// that answers; nothing by default.
	OnViolation func(*contract.Violation)
	// DrainDelay is how long Run goes on serving once it is to stop, with /readyz red, so that balancers send nobody
	// here any more; none by default.
	DrainDelay time.Duration
	// ShutdownTimeout bounds how long Run waits for requests under way; 10 seconds by default.
	ShutdownTimeout time.Duration
	// Logger gets a line for each request and each failure; discarded by default.
	Logger *slog.Logger
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// NewID makes ids of a prefix, such as sess_…; UUIDv7 by default.
	NewID func(prefix string) string
}

// Server is the API over one database. Make it with New, end it with Close.
type Server struct {
	config   Config
	store    store.Store
	contract *contract.Contract
	auth     *auth.Authenticator
	log      *slog.Logger
	metrics  *metrics
	replies  replies
	models   types.ModelList
	demo     *Demo
	events   *event.Log
	broker   *broker.Broker
	turns    *dispatch.Dispatcher
	handler  http.Handler
	draining atomic.Bool // it is about to stop
}

// New opens the database, brings its schema up to date and assembles the API. It refuses a contract
// that is not wholly served: each operation needs a handler, a check and a security decision.
func New(ctx context.Context, config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	go func() { _, _ = contract.Load() }() // assemble waits for it; to open the database takes as long
	db, err := sqlstore.Open(ctx, config.DB, sqlstore.Options{
		Now: config.Now, NewID: config.NewID, MaxConns: config.DBMaxConns,
		StatementTimeout: config.DBStatementTimeout, ConnectTimeout: config.DBConnectTimeout,
	})
	if err != nil {
		return nil, err
	}
	s, err := assemble(ctx, config, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// assemble builds the server over an open store, which stays the caller's when it fails.
func assemble(ctx context.Context, config Config, db store.Store) (*Server, error) {
	s := &Server{config: config, store: db, auth: auth.New(db, config.Now), log: config.Logger, metrics: newMetrics()}
	var err error
	if config.Demo {
		if s.demo, err = seedDemo(ctx, db, config.DemoToken, config.Now); err != nil {
			return nil, err
		}
	}
	if s.contract, err = contract.Load(); err != nil {
		return nil, err
	}
	if s.models, err = loadModels(config.Models, s.contract); err != nil {
		return nil, err
	}
	s.events = event.NewLog(db, s.contract)
	s.broker = broker.New(db, broker.Options{
		MaxReaders: config.MaxStreams, Check: s.checkFrame, Now: config.Now, NewID: db.NewID,
	})
	s.metrics.watch("sessions_open_streams", "Event streams that are open.", s.broker.Readers)
	if s.handler, err = s.routes(); err != nil {
		s.broker.Close()
		return nil, err
	}
	if config.Faults != nil {
		s.handler = s.rehearse(config.Faults, s.handler)
	}
	s.turns = dispatch.Start(dispatch.Options{
		Store: db, Log: s.events, Runner: config.Runner, Workers: config.Workers, Patience: config.TurnPatience,
		Clock: config.Clock, Now: config.Now, Logger: config.Logger,
	})
	s.metrics.watch("sessions_running_turns", "Turns that are worked on.", s.turns.Running)
	return s, nil
}

// checkFrame holds the data of a stream's frame against the contract.
func (s *Server) checkFrame(data []byte) error {
	if s.events.Validated(data) {
		return nil
	}
	violation := s.contract.Schema("StreamedEvent").Check(data)
	if violation == nil {
		return nil
	}
	violation.Operation, violation.Status = "streamEvents", http.StatusOK
	s.violated(violation)
	return violation
}

// violated counts a violation and tells whoever asked for it.
func (s *Server) violated(b *contract.Violation) {
	s.metrics.violation(b.Operation, b.Rule)
	if s.config.OnViolation != nil {
		s.config.OnViolation(b)
	}
}

func (c Config) withDefaults() (Config, error) {
	c.Addr = orDefault(c.Addr, "127.0.0.1:0")
	c.DB = orDefault(c.DB, "sqlite::memory:")
	c.ResponseCheck = orDefault(c.ResponseCheck, Enforce)
	c.ShutdownTimeout = orDefault(c.ShutdownTimeout, 10*time.Second)
	c.Workers = orDefault(c.Workers, 256)
	c.MaxTurns = orDefault(c.MaxTurns, 1000)
	c.MaxStreams = orDefault(c.MaxStreams, 1000)
	c.Heartbeat = orDefault(c.Heartbeat, 15*time.Second)
	c.StreamPatience = orDefault(c.StreamPatience, 10*time.Second)
	c.TurnPatience = orDefault(c.TurnPatience, 5*time.Second)
	if c.Clock == nil {
		c.Clock = turn.WallClock{}
	}
	if c.Runner == nil {
		c.Runner = turn.NewEcho(turn.EchoOptions{Clock: c.Clock})
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for _, f := range c.Features {
		if f != FeatureM3 {
			return c, fmt.Errorf("unknown feature %q; known is %q", f, FeatureM3)
		}
	}
	if c.Faults != nil && !c.Demo {
		return c, errors.New("faults are for rehearsals; they need a demo server")
	}
	if c.ResponseCheck != Enforce && c.ResponseCheck != Report {
		return c, fmt.Errorf("unknown response check %q; use %q or %q", c.ResponseCheck, Enforce, Report)
	}
	return c, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// ServeHTTP serves the API, at /api/v1/cloud and at /v1, and what stands beside it: /healthz, /readyz,
// /metrics, /openapi.yaml and /openapi.json.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Demo returns what Config.Demo made; nil without it.
func (s *Server) Demo() *Demo { return s.demo }

// Run serves on Config.Addr until ctx ends. Then /readyz turns red, at once, and after Config.DrainDelay it drains:
// streams end, so that their readers resume elsewhere, no new requests are taken, and those under way are waited
// for, at most Config.ShutdownTimeout, after which it ends them and returns an error. listening is called with the
// server's address, http://HOST:PORT, once it accepts connections.
func (s *Server) Run(ctx context.Context, listening func(baseURL string)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.config.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background.Go(func() { s.sweep(ctx) })
	background.Go(func() { s.share(ctx) })

	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	listening("http://" + listener.Addr().String())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.log.Info("shutting down", "drain_delay", s.config.DrainDelay, "timeout", s.config.ShutdownTimeout)
	select {
	case err := <-served:
		return err
	case <-time.After(s.config.DrainDelay):
	}
	s.broker.Close()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownTimeout)
	defer cancel()
	if err := web.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("requests were still under way after %s: %w", s.config.ShutdownTimeout, err), web.Close())
	}
	return nil
}

// Close ends streams, stops the turns under way and closes the database. Call it once, after Run has returned.
func (s *Server) Close() error {
	s.broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	return errors.Join(s.turns.Close(ctx), s.store.Close())
}
