package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// sample is a response in the form of one endpoint and kind, and the events that it must lead to.
type sample struct {
	name        string
	contentType string
	body        []byte
	events      []string
}

// samples reads testdata/responses. Each file has a comment, headers, the response and the events.
func samples(t testing.TB) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/responses/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	all := make([]sample, 0, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := bytes.Cut(data, []byte("-- response --\n"))
		body, events, found := bytes.Cut(rest, []byte("-- events --\n"))
		if !found {
			t.Fatalf("%s: no events", file)
		}
		s := sample{name: strings.TrimSuffix(filepath.Base(file), ".txt"), contentType: "text/event-stream", body: body}
		if _, named, ok := strings.Cut(string(head), "\ntype: "); ok {
			s.contentType, _, _ = strings.Cut(named, "\n")
		}
		s.events = strings.Split(strings.TrimSpace(string(events)), "\n")
		all = append(all, s)
	}
	return all
}

// events returns what a turn led to, in the words of the samples.
func events(calls []turntest.Call, outcome turn.Outcome, err error) []string {
	var (
		events  []string
		message strings.Builder
	)
	end := func() {
		if message.Len() > 0 {
			events = append(events, fmt.Sprintf("message %q", message.String()))
			message.Reset()
		}
	}
	for _, c := range calls {
		switch c.Method {
		case turntest.Say:
			message.WriteString(c.Text)
			continue
		case turntest.Spend:
			events = append(events, fmt.Sprintf("usage %d %d %d", c.Usage.InputTokens, c.Usage.OutputTokens, c.Usage.CacheReadInputTokens))
			continue
		case turntest.Keep:
			events = append(events, "memo "+c.Memo)
			continue
		}
		end()
		if c.Method == turntest.UseCustomTool {
			events = append(events, "use "+c.Name+" "+c.Input)
		}
	}
	end()
	var public interface{ Public() string }
	switch {
	case err == nil:
		events = append(events, fmt.Sprintf("outcome %s", outcome))
	case errors.As(err, &public):
		events = append(events, fmt.Sprintf("error %q", public.Public()))
	default:
		events = append(events, fmt.Sprintf("private error %q", err.Error()))
	}
	return events
}

// replay runs a turn whose response is s's, written as write does, and compares the events.
func (s sample) replay(t *testing.T, write func(w http.ResponseWriter)) {
	t.Helper()
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) {
		w.Header().Set("Content-Type", s.contentType)
		write(w)
	})
	var rec turntest.Recorder
	outcome, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &rec)
	if diff := cmp.Diff(s.sorted(t, s.events), s.sorted(t, events(rec.Calls(), outcome, err))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(e.seen()) != 1 {
		t.Errorf("%d requests, want 1", len(e.seen()))
	}
}

var origin = regexp.MustCompile(`"origin":"[^"]*",?`)

// sorted makes events comparable: memos without their origin, and only where the sample has any; usage, which says
// nothing of order, first.
func (s sample) sorted(t *testing.T, events []string) []any {
	t.Helper()
	wantsMemos := strings.Contains(strings.Join(s.events, "\n"), "memo ")
	var first, rest []any
	for _, e := range events {
		memo, isMemo := strings.CutPrefix(e, "memo ")
		switch {
		case isMemo && wantsMemos:
			var value map[string]any
			if err := json.Unmarshal([]byte(origin.ReplaceAllString(memo, "")), &value); err != nil {
				t.Errorf("memo %s: %v", memo, err)
			}
			first = append(first, value)
		case isMemo:
		case strings.HasPrefix(e, "usage "):
			first = append([]any{e}, first...)
		default:
			rest = append(rest, e)
		}
	}
	return append(first, rest...)
}

// TestSamples tests that the response of every endpoint and kind leads to its events.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.replay(t, func(w http.ResponseWriter) { w.Write(s.body) })
		})
	}
}

// TestFraming tests that what the standard of event streams allows changes nothing, nor how the bytes arrive.
func TestFraming(t *testing.T) {
	t.Parallel()
	changes := map[string]func(body string) string{
		"byte order mark": func(body string) string { return "\xef\xbb\xbf" + body },
		"CRLF":            func(body string) string { return strings.ReplaceAll(body, "\n", "\r\n") },
		"CR":              func(body string) string { return strings.ReplaceAll(body, "\n", "\r") },
		"keep-alives": func(body string) string {
			return strings.ReplaceAll(": one\n\n"+body, "\n\n", "\n\ndata:\n\n: comment\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n")
		},
		"other fields": func(body string) string {
			return "retry: 1\n\n" + strings.ReplaceAll(body, "data: {", "id: 1\nevent: message\ndata:{")
		},
	}
	for _, s := range samples(t) {
		if !bytes.HasPrefix(s.body, []byte("data")) && !bytes.HasPrefix(s.body, []byte(":")) {
			continue
		}
		for name, change := range changes {
			if name == "other fields" && bytes.Contains(s.body, []byte("event: ")) || !bytes.Contains(s.body, []byte("\n\n")) && name != "byte order mark" {
				continue
			}
			t.Run(s.name+" with "+name, func(t *testing.T) {
				t.Parallel()
				s.replay(t, func(w http.ResponseWriter) { w.Write([]byte(change(string(s.body)))) })
			})
		}
		t.Run(s.name+" in small pieces", func(t *testing.T) {
			t.Parallel()
			s.replay(t, func(w http.ResponseWriter) {
				for piece := range chunks(s.body, 1+len(s.body)/40) {
					w.Write(piece)
					http.NewResponseController(w).Flush()
				}
			})
		})
	}
}

// chunks yields data in pieces of n bytes.
func chunks(data []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(data) > n; data = data[n:] {
			if !yield(data[:n]) {
				return
			}
		}
		yield(data)
	}
}

// FuzzResponse tests that a turn ends whatever an endpoint sends, and that nothing passes for a whole reply unless the
// endpoint gave a reason to finish.
func FuzzResponse(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.body)
	}
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"\xe4\xb8\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\xad\"},\"finish_reason\":\"stop\"}]}\n\n"))
	reasons := regexp.MustCompile(`(?i)finish_reason`)
	f.Fuzz(func(t *testing.T, body []byte) {
		client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return respond(body), nil })}
		runner, err := openai.New(openai.Options{BaseURL: "http://localhost/v1", HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		var rec turntest.Recorder
		start := time.Now()
		outcome, err := runner.Run(t.Context(), turntest.Input("hi"), &rec)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		var public interface{ Public() string }
		if err != nil && (!errors.As(err, &public) || public.Public() == "" || len(public.Public()) > 1000) {
			t.Errorf("error %v, want one that callers are told of", err)
		}
		if (err == nil) != (outcome != "") {
			t.Errorf("outcome %q with error %v", outcome, err)
		}
		if err == nil && !reasons.Match(body) {
			t.Errorf("outcome %q without a reason to finish", outcome)
		}
		for _, c := range rec.Calls() {
			if c.Method == turntest.UseCustomTool && !json.Valid([]byte(c.Input)) {
				t.Errorf("input %q", c.Input)
			}
		}
	})
}
