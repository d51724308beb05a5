package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/tracing/otlp"
)

// serveFlags are the flags of serve, which check has too.
type serveFlags struct {
	config                      server.Config
	runner                      runnerFlags
	db                          databaseFlags
	logFormat, check, faultFile string
	pprofAddr                   string
	traced                      bool // the environment asks for traces
}

func serveCommand() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API until interrupted",
		Long: `Serves the API at /api/v1/cloud and at /v1, alongside /healthz, /readyz, /metrics,
/openapi.yaml, /openapi.json and /openapi-3.2.json, and the pages / (for browsers), /console and /docs. Once it accepts connections it prints the line

  listening on http://HOST:PORT

(or https://, with --tls-cert and --tls-key) on standard output; logs go to standard error. SIGINT or SIGTERM drains and stops it: /readyz turns red,
requests are still served for --drain-delay, then streams close and requests under way finish. A second
signal ends it immediately. The exit status is 0 after a clean stop and 1 after an error.

A SQLite file is served by one process at a time; PostgreSQL by any number.

Secrets of vaults are encrypted under the key in --vault-key-file, which 'sessionsd vault --help' explains, or
under the text of such a file in $SESSIONSD_VAULT_KEY.

With --demo there is an account with the agent and the environment of the documentation's curl, which
is printed ready to paste. Its token is the value of $QODER_PAT if that is set, otherwise a new one; it
expires 30 days after the last start with it. On an --addr that other machines reach, a given token must
have at least 24 characters. A token that was revoked, or that belongs to another account, is refused.

A runner replies to messages: echo repeats the message, script plays a YAML file for tests, openai calls
any endpoint that implements OpenAI's chat completions. --route selects another runner by the agent's
model.

With --faults, requests fail as a YAML file says, so that programs can rehearse the failures of networks and
gateways: responses in the server's place such as a 429, latency, dropped connections, cut streams. The same
file and requests give the same faults again.

With --control, test suites in any language do that for each test: POST /control/accounts with the demo's
token gives a test an account of its own, and with that account's token PUT /control/script and /control/faults
set what happens to it, and GET /control/requests returns what it has sent. GET /control lists the operations.
It needs --demo and an --addr on loopback.

Traces are sent by OTLP over HTTP if the standard variables of OpenTelemetry ask for it:
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318, for one.

` + describeVariables(),
		Example: `  sessionsd serve --demo
  sessionsd serve --addr 0.0.0.0:8080 --db sqlite:/var/lib/sessions/sessions.db --log-format json
  SESSIONSD_DB=postgres://sessions:secret@db.example/sessions sessionsd serve --addr 0.0.0.0:8080
  SESSIONSD_FEATURES=m3 sessionsd serve
  sessionsd serve --demo --faults faults.yaml --script answers.yaml
  sessionsd serve --demo --control --db sqlite::memory:
  OPENAI_API_KEY=... sessionsd serve --route 'gpt-*=openai' --openai-base-url https://api.openai.com/v1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			config, err := flags.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if os.Getenv("GOMEMLIMIT") == "" { // so that garbage is collected before it takes as much again
				debug.SetMemoryLimit(server.MemoryLimit(config.MaxBytesInFlight))
			}
			resume := pauseCollector()
			defer resume()
			if flags.traced {
				provider, stop, err := otlp.Open(cmd.Context(), config.Logger)
				if err != nil {
					return err
				}
				defer stop()
				config.Traces = provider
			}
			s, err := server.New(cmd.Context(), config)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			stopProfiles, err := serveProfiles(flags.pprofAddr, config.Logger)
			if err != nil {
				return err
			}
			defer stopProfiles()
			return s.Run(cmd.Context(), func(baseURL string) {
				resume()
				announce(cmd.OutOrStdout(), s, baseURL, append(s.Lacks(), flags.runner.notes(config.Models)...))
				if !cmd.Flags().Changed("db") {
					fmt.Fprintf(cmd.OutOrStdout(), "The database is %s; --db names another one.\n", config.DB)
				}
				time.AfterFunc(time.Second, func() { // a start needs some megabytes that serving does not
					debug.FreeOSMemory()
					unmapProgram()
				})
			})
		},
	}
	flags.register(cmd.Flags())
	return describeEnvironment(cmd)
}

// open reads the files that the flags name, and returns the configuration.
func (f *serveFlags) open(logs io.Writer) (config server.Config, err error) {
	config = f.config
	if err := f.checkBounds(); err != nil {
		return config, err
	}
	if config.Logger, err = newLogger(logs, f.logFormat); err != nil {
		return config, err
	}
	if config.Runner, err = f.runner.open(config.Logger); err != nil {
		return config, err
	}
	if f.traced, err = otlp.Asked(os.Getenv); err != nil {
		return config, err
	}
	if config.Faults, err = openFaults(f.faultFile, config.Demo); err != nil {
		return config, err
	}
	if config.Control && !config.Demo {
		return config, errors.New("--control lets tests change what the server does; add --demo")
	}
	config.DB, config.DBMaxConns = f.db.name, f.db.maxConns
	config.DBStatementTimeout, config.DBConnectTimeout = f.db.statementTimeout, f.db.connectTimeout
	config.ResponseCheck = server.ResponseCheck(f.check)
	config.VaultKey = os.Getenv(vaultKeyVariable)
	if config.Demo {
		config.DemoToken = os.Getenv(demoTokenVariable)
	}
	return config, nil
}

// checkBounds refuses bounds under which nothing could be served. In a Config, 0 stands for the default.
func (f *serveFlags) checkBounds() error {
	for _, bound := range []struct {
		flag  string
		value int64
	}{
		{"workers", int64(f.config.Workers)}, {"max-turns", int64(f.config.MaxTurns)}, {"max-streams", int64(f.config.MaxStreams)},
		{"max-memory-bytes", f.config.MaxMemoryBytes}, {"max-key-bytes", f.config.MaxKeyBytes},
		{"max-file-bytes", f.config.MaxFileBytes}, {"max-account-file-bytes", f.config.MaxAccountFileBytes},
		{"db-max-conns", int64(f.db.maxConns)},
	} {
		if bound.value < 1 {
			return fmt.Errorf("--%s is %d; it must be at least 1", bound.flag, bound.value)
		}
	}
	return nil
}

func (f *serveFlags) register(flags *pflag.FlagSet) {
	config := &f.config
	flags.StringVar(&config.Addr, "addr", "127.0.0.1:8080", "address to listen on, `HOST:PORT`; port 0 selects a free one")
	flags.StringVar(&config.TLSCert, "tls-cert", "", "`FILE` with the certificate chain in PEM, to serve HTTPS; it is read again when it changes")
	flags.StringVar(&config.TLSKey, "tls-key", "", "`FILE` with the private key of --tls-cert")
	f.db.register(flags)
	registerKeyFile(flags, &config.VaultKeyFile)
	flags.BoolVar(&config.Demo, "demo", false, "create the agent and the environment of the documentation, and a token")
	f.runner.register(flags)
	flags.StringVar(&f.faultFile, "faults", "", "YAML `FILE` that says which requests fail, and how; with --demo only")
	flags.BoolVar(&config.Control, "control", false, "serve /control, where tests on this machine set scripts and faults and read their requests; with --demo only")
	flags.IntVar(&config.Workers, "workers", 256, "turns to run at the same time")
	flags.IntVar(&config.MaxTurns, "max-turns", 1000, "turns that an account may have queued or running; more are refused with 429")
	flags.DurationVar(&config.TurnTimeout, "turn-timeout", time.Hour, "how long a turn may run, without the time in which it waits for a worker, a confirmation or a tool's result")
	flags.DurationVar(&config.TurnSilenceTimeout, "turn-silence-timeout", 10*time.Minute, "how long the runner of a turn may do nothing; keep-alive comments of an endpoint count as life")
	flags.DurationVar(&config.WorkPatience, "work-patience", 2*time.Minute, "how long a turn waits while its self-hosted environment has no worker; if its workers are busy it waits for --turn-timeout")
	flags.StringSliceVar(&config.MCPAllow, "mcp-allow", nil, "`HOSTS` that requests to agents' MCP servers may go to, comma-separated: HOST, *.HOST or an address, each with an optional :PORT, also private ones; * for every public host. None by default")
	flags.DurationVar(&config.MCPTimeout, "mcp-timeout", 2*time.Minute, "how long a call of a tool of an MCP server may take")
	flags.DurationVar(&config.WorkLease, "work-lease", 30*time.Second, "how long a worker has a work item of a self-hosted environment after a heartbeat; then another worker gets it")
	flags.IntVar(&config.MaxStreams, "max-streams", 1000, "event streams that an account may have open on all replicas together; more are refused with 429")
	flags.Int64Var(&config.MaxMemoryBytes, "max-memory-bytes", 1<<30, "bytes that the memories of an account may occupy with their versions; writes beyond it are refused with 409")
	flags.Int64Var(&config.MaxKeyBytes, "max-key-bytes", 1<<30, "bytes that the idempotency keys of an account may occupy in 24 hours; requests with more keys are refused with 429")
	flags.Int64Var(&config.MaxBytesInFlight, "max-bytes-in-flight", server.DefaultMaxBytesInFlight, "bytes of memory for requests and responses under way; an account may use a quarter. Larger ones are refused with 429, or 503 when all accounts together use it up")
	flags.StringVar(&config.Blobs, "blobs", "", "where the contents of files are stored: a `FOLDER`, s3://BUCKET?region=REGION, or none; by default a folder beside the SQLite file")
	flags.Int64Var(&config.MaxFileBytes, "max-file-bytes", 64<<20, "bytes that a file may have")
	flags.Int64Var(&config.MaxAccountFileBytes, "max-account-file-bytes", 10<<30, "bytes that the files of an account may have together")
	flags.StringVar(&config.Models, "models", "", "YAML `FILE` with the models to list; a built-in list by default")
	flags.BoolVar(&config.ListedModelsOnly, "listed-models-only", false, "refuse agents with a model that is not in the list of models, or is not enabled there; by default they may have any")
	flags.StringSliceVar(&config.CORSOrigins, "cors-origin", nil, "`ORIGINS` of pages that may use the API from a browser, comma-separated: SCHEME://HOST[:PORT], https://*.HOST, or * for every page. None by default")
	flags.StringSliceVar(&config.Features, "features", nil, "`FEATURES` to switch on, comma-separated: m3 (resources, vault_ids)")
	flags.StringVar(&f.check, "response-check", string(server.Enforce), "`MODE` of responses that violate the contract: enforce (respond 500) or report (log it)")
	flags.StringVar(&f.logFormat, "log-format", "text", "`FORMAT` of the logs: text or json")
	flags.StringVar(&f.pprofAddr, "pprof-addr", "", "`HOST:PORT` of this machine, such as 127.0.0.1:6060, to serve profiles at /debug/pprof/; by default they are not served")
	flags.DurationVar(&config.DrainDelay, "drain-delay", 0, "how long to continue serving, with /readyz red, before stopping; must exceed the time that a load balancer takes to notice")
	flags.DurationVar(&config.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long to wait for requests under way when stopping")
}

// openFaults reads the fault file at path, or none for "".
func openFaults(path string, demo bool) (*faults.Injector, error) {
	switch {
	case path == "":
		return nil, nil
	case !demo:
		return nil, errors.New("--faults makes requests fail on purpose, for rehearsals; add --demo")
	}
	plan, err := faults.LoadPlan(path)
	if err != nil {
		return nil, fmt.Errorf("--faults: %w", err)
	}
	return faults.NewInjector(plan), nil
}

func newLogger(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: inSeconds})), nil
	}
	return nil, fmt.Errorf("unknown log format %q; set --log-format to text or json", format)
}

// inSeconds writes durations as seconds, which their names tell. A text has units by itself.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_seconds", a.Value.Duration().Seconds())
	}
	return a
}

// announce prints the server's address, what its operator should know, and the demo's curl.
func announce(w io.Writer, s *server.Server, baseURL string, sentences []string) {
	fmt.Fprintf(w, "listening on %s\n", baseURL)
	for _, sentence := range sentences {
		fmt.Fprintln(w, sentence)
	}
	if demo := s.Demo(); demo != nil {
		fmt.Fprintf(w, "\nCreate a session:\n\n%s\n\n", demo.Curl(baseURL))
	}
}
