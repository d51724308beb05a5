package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client/contractproxy"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/client/replay"
)

// The values of --mode, --match and --timing.
const (
	modeReport  = "report"
	modeEnforce = "enforce"

	matchRequest = "request"
	matchOrder   = "order"

	timingNone = "none"
	timingReal = "real"
)

// proxyFlags are the flags of contract proxy.
type proxyFlags struct {
	upstream, listen    string
	record, replay      string
	keepSecrets         bool
	mode, match, timing choice
}

// contractProxy returns the command that validates what passes between a client and a server.
func (a *app) contractProxy() *cobra.Command {
	f := proxyFlags{
		mode:   choice{value: modeReport, allowed: []string{modeReport, modeEnforce}},
		match:  choice{value: matchRequest, allowed: []string{matchRequest, matchOrder}},
		timing: choice{value: timingNone, allowed: []string{timingNone, timingReal}},
	}
	cmd := &cobra.Command{
		Use:   "proxy",
		Short: "Validate what passes between a client and a server, record it, and replay it",
		Long: `proxy passes requests to the server at --upstream and its responses back, and validates both, and each event of a stream,
against the contract that this program was built with. It prints a line for each violation (-o jsonl: a record), and a summary
after Ctrl-C. The path of a request is added to that of --upstream, whose certificate --ca-file can name. Responses are not
compressed.

With --mode report everything passes unchanged and at once. With --mode enforce an invalid request gets a 400 and does not
reach the server, an invalid response becomes a 502, and a stream ends before an invalid event with an event of the type
error. Requests and responses of JSON are then held until they are complete, streams by the event. Responses of JSON, and
events, of more than 16 MiB pass and are not validated, which is reported; so do requests of that size with --mode report.
The bytes of files are never held.

--record writes the exchanges with the server to a text file, which only you can read, without tokens and other secrets:
those in headers, in URLs, and in what the contract marks as a secret. --replay responds from such a file in place of a
server, with streams at once or in --timing real. A request gets the next exchange that was recorded for its method, path and
query, the one with its body if there are several; a read gets the last one again. With --match order it gets the next exchange
of all, which must be for it. Any other request gets a 501.

It exits with 1 if there was a violation.`,
		Example: `  sessions contract proxy --upstream http://127.0.0.1:8080 --listen 127.0.0.1:9090
  sessions contract proxy --upstream https://openapi.qoder.sh/api/v1/cloud --record session.txt
  sessions contract proxy --replay session.txt --timing real`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for name, needed := range map[string]string{"match": "replay", "timing": "replay", "keep-secrets": "record"} {
				if cmd.Flags().Changed(name) && !cmd.Flags().Changed(needed) {
					return usageError{fmt.Errorf("--%s needs --%s", name, needed)}
				}
			}
			return a.runProxy(cmd.Context(), &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.upstream, "upstream", "", "`URL` of the server")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "`ADDRESS` to listen on; port 0 takes a free one")
	flags.Var(&f.mode, "mode", "what happens to violations: report or enforce")
	flags.StringVar(&f.record, "record", "", "write the exchanges to a new `FILE`")
	flags.BoolVar(&f.keepSecrets, "keep-secrets", false, "record tokens and other secrets as well")
	flags.StringVar(&f.replay, "replay", "", "respond from the recording in `FILE`")
	flags.Var(&f.match, "match", "which exchange of a recording a request gets: request (one like it) or order (the next one)")
	flags.Var(&f.timing, "timing", "how long the responses of a recording take: none or real")
	cmd.MarkFlagsOneRequired("upstream", "replay")
	cmd.MarkFlagsMutuallyExclusive("upstream", "replay")
	cmd.MarkFlagsMutuallyExclusive("record", "replay")
	_ = cmd.MarkFlagFilename("record")
	_ = cmd.MarkFlagFilename("replay")
	for name, c := range map[string]*choice{"mode": &f.mode, "match": &f.match, "timing": &f.timing} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.allowed, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// runProxy serves until ctx ends.
func (a *app) runProxy(ctx context.Context, f *proxyFlags) (err error) {
	options, err := a.proxyOptions(f)
	if err != nil {
		return usageError{err}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen %s: %w", f.listen, err)}
	}
	if f.record != "" {
		redact, err := redactor(f.keepSecrets)
		if err != nil {
			return err
		}
		if options.Recorder, err = recording.Create(f.record, redact); err != nil {
			_ = listener.Close()
			if errors.Is(err, os.ErrExist) {
				err = fmt.Errorf("%s exists; remove it or name another file", f.record)
			}
			return usageError{fmt.Errorf("--record: %w", pathError("write", err))}
		}
		defer func() {
			if closed := options.Recorder.Close(); closed != nil {
				err = errors.Join(err, fmt.Errorf("--record: the file is not complete: %w", closed))
			}
		}()
	}
	proxy, err := contractproxy.New(*options)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	fmt.Fprintf(a.err, "sessions: listening on http://%s for %s; press Ctrl-C to stop\n", listener.Addr(), cmp.Or(f.upstream, f.replay))
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return a.summarize(proxy.Summary())
}

// proxyOptions makes options of flags.
func (a *app) proxyOptions(f *proxyFlags) (*contractproxy.Options, error) {
	o := &contractproxy.Options{Enforce: f.mode.value == modeEnforce}
	o.Report = a.showFinding
	if f.replay == "" {
		upstream, err := url.Parse(f.upstream)
		if err != nil || upstream.Scheme != "http" && upstream.Scheme != "https" || upstream.Host == "" || upstream.RawQuery != "" || upstream.User != nil {
			return nil, errors.New("--upstream must be a URL such as http://127.0.0.1:8080, without a user and a query")
		}
		o.Upstream = upstream
		o.Transport, err = a.upstreamTransport()
		return o, err
	}
	recorded, err := recording.Load(f.replay)
	if err != nil {
		return nil, fmt.Errorf("--replay: %w", pathError("read", err))
	}
	redact, err := redactor(false)
	if err != nil {
		return nil, err
	}
	o.Upstream = &url.URL{Scheme: "http", Host: "recording"}
	o.Transport, err = replay.New(recorded, replay.Options{
		InOrder: f.match.value == matchOrder, RealTime: f.timing.value == timingReal, Errors: true, Redactor: redact,
	})
	return o, err
}

// upstreamTransport returns what sends requests to the upstream, which trusts the certificates of --ca-file.
func (a *app) upstreamTransport() (*http.Transport, error) {
	transport := contractproxy.NewTransport()
	file, err := a.givenCAFile()
	if err == nil && file != "" {
		err = trust(transport, file)
	}
	return transport, err
}

// showFinding writes a finding as it comes: as a line, or as a record where JSON was asked for.
func (a *app) showFinding(found contractproxy.Finding) {
	if a.format.value == formatLines {
		line, _ := encodeJSON(found, "", "") // text always encodes
		_ = a.out.writeExact(append(line, '\n'))
		return
	}
	fmt.Fprintln(a.out, found)
}

// redactor returns what removes secrets from recordings; nil keeps them.
func redactor(keep bool) (*recording.Redactor, error) {
	if keep {
		return nil, nil
	}
	return recording.NewRedactor()
}

// summarize says what has passed, and fails when there were violations.
func (a *app) summarize(s contractproxy.Summary) error {
	text := counted(s.Exchanges, "exchange")
	if s.Unchecked > 0 {
		text += ", " + counted(s.Unchecked, "body or event", "bodies or events") + " too large to be validated"
	}
	if s.Total() == 0 {
		a.remark(text + ", no violation of the contract")
		return nil
	}
	var each []string
	for _, operation := range s.Operations() {
		each = append(each, fmt.Sprintf("%s %d", cmp.Or(operation, "outside of the contract"), s.Violations[operation]))
	}
	return fmt.Errorf("%s, %s of the contract: %s", text, counted(s.Total(), "violation"), strings.Join(each, ", "))
}

// counted is a number of things.
func counted(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
