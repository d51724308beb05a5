// Package worker runs the built-in tools of sessions in a self-hosted environment, on this machine: the official worker of
// github.com/anthropics/anthropic-sdk-go, with file tools that are confined to a folder, and with bash only where its
// caller decided what bash may do.
package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"
)

// Bash is what the bash tool may do.
type Bash int

const (
	// NoBash refuses every command.
	NoBash Bash = iota
	// Sandbox runs commands in a sandbox of bubblewrap that sees the folder and the system's programs, and no network.
	Sandbox
	// NoSandbox runs commands as the user who runs the worker.
	NoSandbox
)

// Options configure a worker.
type Options struct {
	// BaseURL is the URL of the API, as package client has it.
	BaseURL string
	// EnvironmentID is the environment whose work the worker does, Key is the environment's key.
	EnvironmentID, Key string
	// Dir is the folder that the file tools are confined to, those of all sessions. It must exist.
	Dir  string
	Bash Bash
	// MaxIdle is how long the worker stays with a session after the end of a turn, while other sessions wait; 0 for
	// DefaultMaxIdle.
	MaxIdle time.Duration
	// Log gets what the worker does.
	Log *slog.Logger
}

// DefaultMaxIdle is short: a worker that stays with a session keeps the others waiting.
const DefaultMaxIdle = 5 * time.Second

// Worker does the work of an environment.
type Worker struct {
	// Dir is the absolute path of the folder that the file tools are confined to.
	Dir  string
	work *environments.EnvironmentWorker
}

// New returns a worker. It returns an error when the folder does not exist, and when there is no working sandbox although
// Options.Bash asks for one. It sends no request.
func New(ctx context.Context, o Options) (*Worker, error) {
	root, err := serverRoot(o.BaseURL)
	if err != nil {
		return nil, err
	}
	dir, err := existingFolder(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of the worker: %w", err)
	}
	if o.Bash == Sandbox {
		if err := tryBubblewrap(ctx, dir); err != nil {
			return nil, err
		}
	}
	idle := o.maxIdle()
	options := environments.EnvironmentWorkerOptions{
		EnvironmentID: o.EnvironmentID, EnvironmentKey: o.Key, Workdir: dir, MaxIdle: &idle,
		Logger:    slog.New(withoutRefusal{o.Log.Handler()}),
		ToolsFunc: func(env *agenttoolset.AgentToolContext) []anthropic.BetaTool { return tools(env, o.Bash) },
	}
	client := anthropic.NewClient(option.WithBaseURL(root), option.WithAPIKey("unused"))
	return &Worker{Dir: dir, work: environments.NewEnvironmentWorker(client, options)}, nil
}

// maxIdle returns how long the worker stays with a session.
func (o Options) maxIdle() time.Duration { return cmp.Or(max(o.MaxIdle, 0), DefaultMaxIdle) }

// Run does the work of the environment, one session at a time, until ctx ends, which is not an error. It returns a
// *RefusedError when the server refuses the key or the environment.
func (w *Worker) Run(ctx context.Context) error { return explained(w.work.Run(ctx)) }

// withoutRefusal drops what the official worker logs about the error that Run returns.
type withoutRefusal struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withoutRefusal) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "poll hit permanent 4xx; stopping" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h withoutRefusal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutRefusal{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withoutRefusal) WithGroup(name string) slog.Handler {
	return withoutRefusal{h.Handler.WithGroup(name)}
}

// serverRoot returns the URL that the worker adds its paths to, which begin with /v1.
func serverRoot(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errors.New("the base URL must be http:// or https:// with a host")
	}
	path := strings.TrimSuffix(u.Path, "/")
	for _, mount := range []string{"/api/v1/cloud", "/v1"} {
		if root, ok := strings.CutSuffix(path, mount); ok {
			path = root
			break
		}
	}
	u.Path = path + "/"
	return u.String(), nil
}

// existingFolder returns the absolute path of a folder, without symbolic links.
func existingFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a folder", dir)
	}
	return abs, nil
}

// explained returns an error of the server in one sentence.
func explained(err error) error {
	var refused *anthropic.Error
	if !errors.As(err, &refused) {
		return err
	}
	var body struct{ Error struct{ Message string } }
	if json.Unmarshal([]byte(refused.RawJSON()), &body) != nil || body.Error.Message == "" {
		return fmt.Errorf("the server responded with the status %d", refused.StatusCode)
	}
	return &RefusedError{Status: refused.StatusCode, Message: body.Error.Message}
}

// RefusedError is what the server says of the key or the environment.
type RefusedError struct {
	Status  int
	Message string
}

func (e *RefusedError) Error() string { return strings.TrimSuffix(e.Message, ".") }

// tools returns the tools of a session.
func tools(env *agenttoolset.AgentToolContext, bash Bash) []anthropic.BetaTool {
	env.Env = shellEnvironment(env.Workdir)
	all := agenttoolset.BetaAgentToolset20260401(env)
	for i, t := range all {
		switch {
		case t.Name() != "bash" || bash == NoSandbox:
		case bash == Sandbox:
			all[i] = &sandboxedBash{BetaTool: t, dir: env.Workdir}
		default:
			all[i] = refusedBash{t}
		}
	}
	return all
}

// kept are the variables of the worker's environment that commands get. All others may hold secrets, the key for one.
var kept = []string{"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL"}

// shellEnvironment returns the environment of commands in a folder.
func shellEnvironment(dir string) map[string]string {
	environment := map[string]string{"HOME": dir}
	for _, name := range kept {
		if value, ok := os.LookupEnv(name); ok {
			environment[name] = value
		}
	}
	return environment
}

// refusedBash is bash where nobody has decided what it may do. The agent reads why.
type refusedBash struct{ anthropic.BetaTool }

// Execute implements anthropic.BetaTool.
func (refusedBash) Execute(context.Context, json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	return nil, &agenttoolset.ToolError{Content: "This worker runs no commands: it was started without a sandbox. Use the file tools instead."}
}
