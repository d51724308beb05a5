// Package server runs the Cloud Sessions API: New returns an http.Handler that validates every request and every response,
// Run serves it until a context ends. It puts the rooms of the server together: the store, the broker of event streams,
// the dispatcher of turns, the operations, and the pipeline around them.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/control"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/form"
	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/operations"
	"github.com/cloud-sessions/sessions/server/pipeline"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/tools/builtintools"
	"github.com/cloud-sessions/sessions/server/tools/filetools"
	"github.com/cloud-sessions/sessions/server/tools/mcptools"
	"github.com/cloud-sessions/sessions/server/tools/memorytools"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
	"github.com/cloud-sessions/sessions/server/vault"
)

// ResponseCheck says what happens to a response that violates the contract.
type ResponseCheck string

// The modes of the response check.
const (
	// Enforce turns the response into a 500, logs the violation and counts it.
	Enforce ResponseCheck = "enforce"
	// Report logs the violation and counts it, and sends the response.
	Report ResponseCheck = "report"
)

// FeatureM3 switches on the fields that the documentation calls "M3 gated": resources and vault_ids.
const FeatureM3 = operations.FeatureM3

// Config configures a server. The zero value serves from memory on a free port of 127.0.0.1.
type Config struct {
	// Addr is the TCP address to listen on, host:port; port 0 chooses a free one. Default 127.0.0.1:0.
	Addr string
	// TLSCert and TLSKey are the files of the certificate chain and its private key, in PEM, that Run serves HTTPS with, and
	// HTTP/2. They are read again when they change. Without them Run serves HTTP.
	TLSCert, TLSKey string
	// DB is the database: sqlite:PATH, which one server at a time may serve, sqlite::memory: for one that is discarded with
	// the server, or postgres://…, which several servers may share. Default sqlite::memory:.
	DB string
	// DBMaxConns, DBStatementTimeout and DBConnectTimeout bound the use of PostgreSQL: see sqlstore.Options, which
	// has the defaults.
	DBMaxConns                           int
	DBStatementTimeout, DBConnectTimeout time.Duration
	// Demo creates the agent and the environment of the documentation page, and a token for them.
	Demo bool
	// DemoToken is the demo account's token, which each start makes valid for 30 days; empty for a new one. On an Addr beyond
	// loopback it must have at least 24 characters. A token that was revoked or that belongs to another account is refused.
	DemoToken string
	// Blobs is where the contents of files are stored: a folder, s3://BUCKET in a program that imports package blob/s3, or
	// NoBlobs. By default it is the folder PATH.blobs beside a SQLite file, a temporary folder with a database in memory, and
	// NoBlobs with PostgreSQL.
	Blobs string
	// MaxFileBytes is the most bytes of a file, 64 MiB by default; MaxAccountFileBytes is that of all files of an account, 10
	// GiB by default.
	MaxFileBytes, MaxAccountFileBytes int64
	// Models is a YAML file of the models that GET /models lists; a built-in list by default.
	Models string
	// ListedModelsOnly refuses to create an agent, or to change an agent's model, with a model that is not in that list or is
	// not enabled. By default agents may have any model.
	ListedModelsOnly bool
	// VaultKey is the text of the key ring that secrets of vaults are encrypted under, VaultKeyFile a file with it, which
	// others must not be able to read; see seal.Parse. At most one of them may be set. On SQLite a file that is missing is
	// created, next to the database by default, unless the database has secrets already; sqlite::memory: has a key of its
	// own. On PostgreSQL there is none by default: then secrets are refused, as they are for the file NoVaultKey. A key that
	// is not the database's is refused.
	VaultKey, VaultKeyFile string
	// MCPAllow are the hosts that requests to agents' MCP servers may go to: patterns of egress.ParseHosts. None by default.
	MCPAllow []string
	// MCPTimeout is how long a call of a tool of an MCP server may take; 2 minutes by default.
	MCPTimeout time.Duration
	// Runner runs turns; turn.Echo by default.
	Runner turn.Runner
	// Workers is how many turns run at a time; 256 by default.
	Workers int
	// MaxTurns is how many turns an account may have queued or running; 1,000 by default.
	MaxTurns int
	// MaxStreams is how many event streams an account may have open, at all running servers on the database together;
	// 1,000 by default.
	MaxStreams int
	// MaxKeyBytes is how many bytes the idempotency keys of an account may occupy, responses included; 1 GiB by default.
	MaxKeyBytes int64
	// MaxMemoryBytes is how many bytes the memories of an account may occupy with their versions; 1 GiB by default.
	MaxMemoryBytes int64
	// CORSOrigins are the origins of pages that may use the API from a browser, such as https://app.example.com, or * for
	// every page; see pipeline.CheckOrigins. None may by default.
	CORSOrigins []string
	// Heartbeat is the longest silence on an event stream; 15 seconds by default.
	Heartbeat time.Duration
	// StreamPatience is how long a caller may take to read a frame of an event stream, or a piece of 64 KiB of another
	// response, before it is disconnected; 10 seconds by default.
	StreamPatience time.Duration
	// MaxBytesInFlight bounds the memory, in bytes, that requests and responses in progress hold together, as far as their
	// callers decide it; one account may use a quarter. What running turns start from, and what they read from MCP servers,
	// has a bound of the same size. 256 MiB by default, at least 16 MiB.
	MaxBytesInFlight int64
	// TurnTimeout is how long a turn may run, TurnSilenceTimeout how long its runner may give no sign of life; an hour and
	// 10 minutes by default. A turn that waits for a worker, a confirmation or a tool's result does not run.
	TurnTimeout, TurnSilenceTimeout time.Duration
	// MaxTurnText is how many bytes of text a turn may store, the arguments and results of tools included; then it ends
	// with the stop reason max_tokens. 8 MiB by default.
	MaxTurnText int
	// TurnPatience is how long a runner may take to stop; 5 seconds by default.
	TurnPatience time.Duration
	// WorkPatience is how long a turn waits for a worker, while its environment has none; 2 minutes by default.
	WorkPatience time.Duration
	// WorkLease is how long a worker has a work item after a heartbeat, unless it asks for another time; 30 seconds by default.
	WorkLease time.Duration
	// Clock measures the time between increments of messages; turn.WallClock by default.
	Clock turn.Clock
	// Features are switched on; FeatureM3 is known.
	Features []string
	// Faults makes some requests fail on purpose, for rehearsals; it needs Demo. Nil, the default, injects no faults.
	Faults *faults.Injector
	// Control serves package control below /control, for tests in any language; it needs Demo and an Addr on loopback.
	Control bool
	// ResponseCheck is Enforce by default.
	ResponseCheck ResponseCheck
	// OnViolation is called with each violation of the contract by a response or a stream's frame, from the goroutine that
	// serves the request. Nil, the default, is not called.
	OnViolation func(*contract.Violation)
	// DrainDelay is how long Run continues to serve, with /readyz red, before it stops, so that load balancers notice;
	// none by default.
	DrainDelay time.Duration
	// ShutdownTimeout bounds how long Run waits for requests in progress; 10 seconds by default.
	ShutdownTimeout time.Duration
	// Traces records what requests and turns do, as spans of OpenTelemetry; nil, the default, records nothing and costs
	// nothing. The server does not close it. See package tracing, and package otlp for one that the environment configures.
	Traces trace.TracerProvider
	// Logger gets a line for each request and each failure; discarded by default.
	Logger *slog.Logger
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// NewID returns a new id with a prefix, such as sess_…; UUIDv7 by default.
	NewID func(prefix string) string
}

// Server is the API over one database. Create it with New, end it with Close.
type Server struct {
	config   Config
	store    store.Store
	log      *slog.Logger
	demo     *Demo
	broker   *broker.Broker
	turns    *dispatch.Dispatcher
	vaults   *vault.Safe
	memory   *memory.Rules
	egress   *egress.Client
	mcp      *mcptools.Source
	pipeline *pipeline.Pipeline
	handler  http.Handler // the pipeline, and what records its requests
	budgets  []*budget.Budget
	blobs    blob.Store   // nil without a place for files
	tls      *certificate // nil for HTTP
}

// New opens the database, brings its schema up to date and assembles the API. It refuses a contract that is not
// completely served: each operation needs a handler, validation and a security decision.
func New(ctx context.Context, config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	cert, err := openCertificate(config)
	if err != nil {
		return nil, err
	}
	measured, options := newMetrics(), config.storeOptions(true)
	options.OnCommit = measured.committed
	db, err := sqlstore.Open(ctx, config.DB, options)
	if err != nil {
		return nil, err
	}
	blobs, err := openBlobs(ctx, config)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s, err := assemble(ctx, config, db, blobs, measured)
	if err != nil {
		return nil, errors.Join(err, closeBlobs(blobs), db.Close())
	}
	s.tls = cert
	return s, nil
}

// storeOptions returns the options of the store, which this process serves or only looks at.
func (c Config) storeOptions(serve bool) sqlstore.Options {
	return sqlstore.Options{
		Now: c.Now, NewID: c.NewID, MaxConns: c.DBMaxConns,
		StatementTimeout: c.DBStatementTimeout, ConnectTimeout: c.DBConnectTimeout,
		Serve: serve, Logger: c.Logger,
	}
}

// assemble builds the server over open stores, which it does not close when it fails.
func assemble(ctx context.Context, config Config, db store.Store, blobs blob.Store, measured *metrics) (*Server, error) {
	tracer := tracing.New(config.Traces)
	if tracer != nil {
		db = tracing.Store(db)
	}
	s := &Server{config: config, store: db, blobs: blobs, log: config.Logger}
	var err error
	if s.egress, err = openEgress(config); err != nil {
		return nil, err
	}
	if config.Demo {
		if s.demo, err = seedDemo(ctx, db, config.DemoToken, config.Now); err != nil {
			return nil, err
		}
	}
	api, err := contract.Load()
	if err != nil {
		return nil, err
	}
	if s.vaults, err = openVaults(ctx, config, db, s.egress, api); err != nil {
		return nil, err
	}
	s.memory = memory.New(api, config.MaxMemoryBytes)
	tokens := auth.New(db, config.Now)
	controls := config.openControl(api, db, tokens)
	events := event.NewLog(db, api)
	bytes, turnBytes := budget.New(config.MaxBytesInFlight), budget.New(config.MaxBytesInFlight)
	s.budgets = []*budget.Budget{bytes, turnBytes}
	options := pipeline.Options{
		Contract: api, Auth: tokens, Store: db, Log: config.Logger,
		ReportOnly: config.ResponseCheck == Report, OnViolation: config.OnViolation,
		Sleep: config.Clock.Sleep, Origins: config.CORSOrigins,
		MaxKeyBytes: config.MaxKeyBytes, Heartbeat: config.Heartbeat, Patience: config.StreamPatience, Budget: bytes,
		Forms:  &form.Receiver{Blobs: blobs, MaxBytes: config.MaxFileBytes, MaxAccountBytes: config.MaxAccountFileBytes, Used: db.FileBytes},
		Tracer: tracer,
	}
	switch {
	case controls != nil:
		options.Control, options.Faults, config.Runner = controls.Serve, controls.Fault, controls
	case config.Faults != nil:
		options.Faults = func(_ *http.Request, operation string) faults.Fault { return config.Faults.Next(operation) }
	}
	s.pipeline = pipeline.New(options)
	s.handler = s.pipeline
	if controls != nil {
		s.handler = control.Record(s.pipeline, s.pipeline.OperationID, controls.StageOf)
	}
	s.broker = broker.New(followed{db}, broker.Options{
		MaxReaders: config.MaxStreams, Now: config.Now, NewID: db.NewID, Budget: bytes,
		Check: func(data []byte) error {
			if events.Validated(data) {
				return nil
			}
			return s.pipeline.CheckFrame(data)
		},
	})
	models, err := operations.LoadModels(config.Models, api)
	if err == nil {
		err = s.serve(api, events, models, tracer)
	}
	if err != nil {
		s.broker.Close()
		return nil, err
	}
	s.mcp = s.openMCP(api, turnBytes)
	s.turns = dispatch.Start(dispatch.Options{
		Store: db, Log: events, Runner: config.Runner, Workers: config.Workers, Patience: config.TurnPatience,
		Clock: config.Clock, Now: config.Now, Logger: config.Logger, MaxInputTokens: maxInputTokens(models),
		WorkPatience: config.WorkPatience, TurnTimeout: config.TurnTimeout, SilenceTimeout: config.TurnSilenceTimeout, MaxText: config.MaxTurnText,
		Tools:   []dispatch.ToolSource{builtintools.Source(config.Logger), filetools.Source(db, blobs), memorytools.Source(db, s.memory), s.mcp.Open},
		Budget:  turnBytes, // of its own: turns last
		Observe: measured.stopped, Tracer: tracer,
	})
	s.registerMetrics(measured, bytes, turnBytes)
	return s, nil
}

// serve gives the pipeline its operations.
func (s *Server) serve(api *contract.Contract, events *event.Log, models types.ModelList, tracer *tracing.Tracer) error {
	ops := operations.New(operations.Options{
		Store: s.store, Contract: api, Vaults: s.vaults, Events: events, Broker: s.broker, EventStream: s.pipeline.EventStream,
		Files:  operations.Files{Blobs: s.blobs, MaxAccountBytes: s.config.MaxAccountFileBytes, Content: s.fileContent},
		Memory: s.memory, Models: models, ListedModelsOnly: s.config.ListedModelsOnly, Features: s.config.Features, MaxTurns: s.config.MaxTurns, Now: s.config.Now,
		WorkLease: s.config.WorkLease, Tracer: tracer,
	})
	return s.pipeline.Serve(ops, ops)
}

// maxInputTokens returns the sizes of the models' windows, by model.
func maxInputTokens(models types.ModelList) map[string]int64 {
	sizes := make(map[string]int64, len(models.Data))
	for _, m := range models.Data {
		sizes[string(m.ID)] = int64(m.MaxInputTokens)
	}
	return sizes
}

// DefaultMaxBytesInFlight is Config.MaxBytesInFlight by default.
const DefaultMaxBytesInFlight = 256 << 20

// MemoryLimit returns the soft limit of memory, in bytes, for a process that runs one server with that MaxBytesInFlight, as
// debug.SetMemoryLimit accepts it: what requests and responses may reserve, and turns once more. With three times as much,
// garbage beside what is reserved took a server on PostgreSQL past 2 GiB of address space, of which Go has reserved more than
// one before it allocates anything.
func MemoryLimit(maxBytesInFlight int64) int64 { return 2 * maxBytesInFlight }

// leastInFlight is the least Config.MaxBytesInFlight: an account's share has room for one page of the broker.
const leastInFlight = 16 << 20

func (c Config) withDefaults() (Config, error) {
	c.Addr = cmp.Or(c.Addr, "127.0.0.1:0")
	c.DB = cmp.Or(c.DB, "sqlite::memory:")
	c.ResponseCheck = cmp.Or(c.ResponseCheck, Enforce)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 10*time.Second)
	c.Workers = cmp.Or(c.Workers, 256)
	c.MaxTurns = cmp.Or(c.MaxTurns, 1000)
	c.MaxStreams = cmp.Or(c.MaxStreams, 1000)
	c.MaxKeyBytes = cmp.Or(c.MaxKeyBytes, 1<<30)
	c.MaxFileBytes = cmp.Or(c.MaxFileBytes, 64<<20)
	c.MaxAccountFileBytes = cmp.Or(c.MaxAccountFileBytes, 10<<30)
	c.MaxMemoryBytes = cmp.Or(c.MaxMemoryBytes, 1<<30)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.StreamPatience = cmp.Or(c.StreamPatience, 10*time.Second)
	c.MaxBytesInFlight = cmp.Or(c.MaxBytesInFlight, DefaultMaxBytesInFlight)
	c.TurnTimeout = cmp.Or(c.TurnTimeout, time.Hour)
	c.TurnSilenceTimeout = cmp.Or(c.TurnSilenceTimeout, 10*time.Minute)
	c.MaxTurnText = cmp.Or(c.MaxTurnText, dispatch.DefaultMaxText)
	c.TurnPatience = cmp.Or(c.TurnPatience, 5*time.Second)
	c.WorkLease = cmp.Or(c.WorkLease, 30*time.Second)
	c.WorkPatience = cmp.Or(c.WorkPatience, 2*time.Minute)
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
	if c.WorkLease < time.Second {
		return c, errors.New("the lease of work must be at least a second")
	}
	if min(c.Workers, c.MaxTurns, c.MaxStreams) < 0 || min(c.MaxKeyBytes, c.MaxMemoryBytes) < 0 {
		return c, errors.New("the fields Workers, MaxTurns, MaxStreams, MaxKeyBytes and MaxMemoryBytes must be positive")
	}
	if c.Heartbeat < 0 {
		return c, errors.New("the heartbeat of streams must be positive")
	}
	if c.MCPTimeout < 0 {
		return c, errors.New("the time of an MCP server's tool must be positive")
	}
	if c.WorkPatience < 0 || c.TurnTimeout < 0 || c.TurnSilenceTimeout < 0 || c.MaxTurnText < 0 {
		return c, errors.New("the bounds of a turn must be positive")
	}
	if err := pipeline.CheckOrigins(c.CORSOrigins); err != nil {
		return c, fmt.Errorf("the origins of browsers: %w", err)
	}
	if c.VaultKey != "" && c.VaultKeyFile != "" {
		return c, errors.New("the vault key is given as text and as a file; use one of them")
	}
	for _, f := range c.Features {
		if f != FeatureM3 {
			return c, fmt.Errorf("unknown feature %q; known is %q", f, FeatureM3)
		}
	}
	if c.Demo {
		if err := CheckDemoToken(c.Addr, c.DemoToken); err != nil {
			return c, err
		}
	}
	if err := c.checkControl(); err != nil {
		return c, err
	}
	if c.Faults != nil && !c.Demo {
		return c, errors.New("faults are for rehearsals; they need a demo server")
	}
	if c.MaxFileBytes < 0 || c.MaxAccountFileBytes < 0 {
		return c, errors.New("the bounds of files must be positive")
	}
	if c.MaxBytesInFlight < leastInFlight {
		return c, fmt.Errorf("MaxBytesInFlight is %d; it must be at least %d", c.MaxBytesInFlight, leastInFlight)
	}
	if c.ResponseCheck != Enforce && c.ResponseCheck != Report {
		return c, fmt.Errorf("unknown response check %q; use %q or %q", c.ResponseCheck, Enforce, Report)
	}
	return c, nil
}

// ServeHTTP serves the API at /api/v1/cloud and at /v1, and next to it /healthz, /readyz, /metrics, the contract
// (/openapi.yaml, /openapi.json, and /openapi-3.2.json as OpenAPI 3.2), and the pages for people: /, /console and /docs.
// With Config.Control it also serves /control. Event streams over HTTP/1.1 take over their connections, so that
// http.Server.Shutdown does not wait for them: Close does, and Run takes care of it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// OperationID returns the operationId that a request is for; "" for a request outside the contract.
func (s *Server) OperationID(r *http.Request) string { return s.pipeline.OperationID(r) }

// Demo returns what Config.Demo created; nil without it.
func (s *Server) Demo() *Demo { return s.demo }

// Run serves on Config.Addr until ctx ends. Then it turns /readyz red at once, and after Config.DrainDelay it drains: it
// closes streams, so that their readers resume elsewhere, accepts no new requests, and waits for those in progress. After
// Config.ShutdownTimeout it ends them and returns an error. listening is called with the server's address,
// http://HOST:PORT or https://HOST:PORT, once it accepts connections.
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
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background.Go(func() { s.sweep(ctx) })
	background.Go(func() { s.shareStreamCounts(ctx) })
	background.Go(func() { s.returnMemory(ctx, releaseMemory) })
	background.Go(func() { returnStreamMemory(ctx, s.pipeline.OpenedStreams, releaseMemory) })

	served := make(chan error, 1)
	if s.tls == nil {
		go func() { served <- web.Serve(listener) }()
		listening("http://" + listener.Addr().String())
	} else {
		web.TLSConfig = s.tls.config()
		go func() { served <- web.ServeTLS(listener, "", "") }()
		listening("https://" + listener.Addr().String())
	}

	s.logStart(listener.Addr().String())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.pipeline.Drain()
	s.log.Info("shutting down", "drain_delay", s.config.DrainDelay, "timeout", s.config.ShutdownTimeout)
	select {
	case err := <-served:
		return err
	case <-time.After(s.config.DrainDelay):
	}
	s.broker.Close()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownTimeout)
	defer cancel()
	err = web.Shutdown(drain)
	if ended := s.pipeline.EndStreams(drain); err == nil {
		err = ended
	}
	if err != nil {
		return errors.Join(fmt.Errorf("requests were still under way after %s: %w", s.config.ShutdownTimeout, err), web.Close())
	}
	return nil
}

// Close closes streams, stops the running turns and closes the database. Streams and turns have Config.ShutdownTimeout to end.
// Call it once, after Run has returned.
func (s *Server) Close() error {
	s.broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	err := s.turns.Close(ctx)
	_ = s.pipeline.EndStreams(ctx)
	s.mcp.Close()
	s.egress.Close()
	return errors.Join(err, closeBlobs(s.blobs), s.store.Close())
}
