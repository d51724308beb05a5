package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cloud-sessions/sessions/client"
)

// app is one run of the program: where it reads and writes, and the flags that all commands have.
type app struct {
	in       io.Reader
	typed    bool // in is a terminal
	out, err stream
	signals  *signals
	now      func() time.Time
	started  bool // the command line was understood

	baseURL   string
	token     string
	tokenFile string
	caFile    string
	profile   string
	headers   []string
	server    string // the base URL that is used
	authority string // the file with certificates that are trusted for it, "" for none
	refusal   string // what to do about a refused token, "" for what fits most commands
	timeout   time.Duration
	retries   int
	verbose   bool
	format    choice
}

// newApp returns the app of this process.
func newApp(signals *signals) *app {
	return &app{
		in:      os.Stdin,
		typed:   term.IsTerminal(int(os.Stdin.Fd())),
		out:     newStream(os.Stdout, os.Getenv),
		err:     newStream(os.Stderr, os.Getenv),
		now:     time.Now,
		signals: signals,
		format:  choice{allowed: formats()},
	}
}

// run executes the command line and returns the exit code. It says on standard error what went wrong.
func run(ctx context.Context, a *app, args []string) int {
	root := a.command()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	text, code := a.explain(ctx, cmd, err)
	fmt.Fprintln(a.err, "sessions:", text)
	return code
}

// register adds the flags that all commands have.
func (a *app) register(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.baseURL, "base-url", "", "base `URL` of the API [$QODER_BASE_URL, or "+client.DefaultBaseURL+"]")
	flags.StringVar(&a.token, "token", "", "access `TOKEN`; visible to others in the process list, so prefer the environment variable [$QODER_PAT]")
	flags.StringVar(&a.tokenFile, "token-file", "", "read the access token from `FILE`, or from standard input if it is -")
	flags.StringVar(&a.caFile, "ca-file", "", "trust the certificates of authorities in `FILE`, in PEM, in addition to the system's [$"+caFileVariable+"]")
	flags.StringVar(&a.profile, "profile", "", "use the server and the token that 'sessions login' has stored under this `NAME`")
	flags.StringArrayVar(&a.headers, "header", nil, "send this `'NAME: VALUE'` with every request, such as that of another authentication; repeatable")
	flags.VarP(&a.format, "output", "o", "output format: "+strings.Join(formats(), ", ")+" (default: table on a terminal, json otherwise)")
	flags.DurationVar(&a.timeout, "timeout", client.DefaultTimeout, "time limit of one attempt; 0 means none")
	flags.IntVar(&a.retries, "retries", client.DefaultMaxRetries, "retry failed requests up to this many `TIMES`")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log requests and responses on standard error")
	root.MarkFlagsMutuallyExclusive("token", "token-file")
	_ = root.MarkPersistentFlagFilename("token-file")
	_ = root.MarkPersistentFlagFilename("ca-file")
	_ = root.RegisterFlagCompletionFunc("profile", suggestProfiles)
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp))
}

// connect returns a client as the flags, the environment and the profiles want it.
func (a *app) connect(ctx context.Context) (*client.Client, error) {
	opts, err := a.access(ctx)
	if err != nil {
		return nil, err
	}
	return a.connectWith(opts...)
}

// connectWith returns a client for a server and a token, with the other options as the flags want them.
func (a *app) connectWith(opts ...client.Option) (*client.Client, error) {
	if a.timeout < 0 || a.retries < 0 {
		return nil, usageError{errors.New("--timeout and --retries must not be negative")}
	}
	for _, header := range a.headers {
		name, value, ok := strings.Cut(header, ":")
		if !ok {
			return nil, usageError{fmt.Errorf("--header: %q has no colon; use 'NAME: VALUE'", name)}
		}
		opts = append(opts, client.WithHeader(strings.TrimSpace(name), strings.TrimSpace(value)))
	}
	hc, err := trusting(a.authority)
	if err != nil {
		return nil, err
	}
	opts = append(opts, client.WithHTTPClient(hc), client.WithUserAgent("cloud-sessions-cli/1"), client.WithTimeout(a.timeout), client.WithMaxRetries(a.retries))
	if a.verbose {
		opts = append(opts, client.WithMiddleware(trace(a.err, a.now)))
	}
	return client.New(opts...)
}

// readFile reads a file, or standard input for "-" until ctx ends.
func (a *app) readFile(ctx context.Context, name string) ([]byte, error) {
	if name == "-" {
		if a.typed {
			fmt.Fprintln(a.err, "Reading standard input; press Ctrl-D on an empty line to end it.")
		}
		return readAll(ctx, a.in)
	}
	data, err := os.ReadFile(name)
	return data, pathError("read", err)
}

// byteOrderMark begins a text that some editors and shells of Windows write.
const byteOrderMark = "\ufeff"

// readText reads a text as readFile does, without a byte order mark.
func (a *app) readText(ctx context.Context, name string) ([]byte, error) {
	data, err := a.readFile(ctx, name)
	return bytes.TrimPrefix(data, []byte(byteOrderMark)), err
}

// readAll reads r to its end or until ctx ends. A read that waits for a person cannot be ended: it is left
// behind, which is for a program that exits then.
func readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(r)
		done <- result{data, err}
	}()
	select {
	case got := <-done:
		return got.data, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// trace writes a line for every attempt.
func trace(w io.Writer, now func() time.Time) client.Middleware {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			start := now()
			resp, err := next(req)
			took := now().Sub(start).Round(time.Millisecond)
			if err != nil {
				fmt.Fprintf(w, "%s %s: no response after %v\n", req.Method, req.URL, took)
				return resp, err
			}
			fmt.Fprintf(w, "%s %s: %s after %v, request id %s\n", req.Method, req.URL, resp.Status, took, resp.Header.Get("X-Request-Id"))
			return resp, nil
		}
	}
}
