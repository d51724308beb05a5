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
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"
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
	// MaxIdle is about how long the worker stays with a session that is in no turn, while other sessions wait; 0 for
	// DefaultMaxIdle.
	MaxIdle time.Duration
	// HTTP sends the requests; http.DefaultClient for nil.
	HTTP *http.Client
	// Report gets what the worker does, in lines without a line end; nil for nobody. Its calls come one after another.
	Report func(line string)
	// Log gets what goes wrong.
	Log *slog.Logger
}

// DefaultMaxIdle is short: a worker that stays with a session keeps the others waiting.
const DefaultMaxIdle = 5 * time.Second

// Worker does the work of an environment.
type Worker struct {
	// Dir is the absolute path of the folder that the file tools are confined to.
	Dir     string
	options Options
	client  anthropic.Client
	folder  *folder
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
	folder, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	client := anthropic.NewClient(option.WithBaseURL(root), option.WithAPIKey("unused"), option.WithHTTPClient(cmp.Or(o.HTTP, http.DefaultClient)))
	return &Worker{Dir: dir, options: o, client: client, folder: folder}, nil
}

// maxIdle returns how long the worker stays with a session.
func (o Options) maxIdle() time.Duration { return cmp.Or(max(o.MaxIdle, 0), DefaultMaxIdle) }

// Run does the work of the environment, one session at a time, until ctx ends, which is not an error: a tool that runs then
// runs to its end and its result is sent, no other one starts, and the session's work goes back to the server. It returns a
// *RefusedError when the server refuses the key or the environment. Call it once.
func (w *Worker) Run(ctx context.Context) error {
	defer w.folder.Close()
	poller := environments.NewWorkPoller(ctx, w.client, environments.WorkPollerOptions{
		EnvironmentID: w.options.EnvironmentID, EnvironmentKey: w.options.Key,
		AutoStop: param.NewOpt(false), // HandleItem stops an item
		Logger:   slog.New(quiet{w.options.Log.Handler()}),
	})
	defer poller.Close()
	for poller.Next() {
		if err := w.do(ctx, poller.Current()); err != nil && ctx.Err() == nil {
			w.options.Log.Warn("the work on a session failed", "session", poller.Current().Data.ID, "error", explained(err))
		}
	}
	return explained(poller.Err())
}

// quiet is a handler for what the official worker logs: it drops what the worker reports in lines of its own, and the error
// that Run returns.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "poll hit permanent 4xx; stopping" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h quiet) WithGroup(name string) slog.Handler { return quiet{h.Handler.WithGroup(name)} }

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
