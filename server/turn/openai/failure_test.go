package openai_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// refuse answers with a status and a body.
func refuse(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After-Ms", "1")
	w.WriteHeader(status)
	w.Write([]byte(body))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"OpenAI":       {401, `{"error":{"message":"Incorrect API key provided: ` + secret + `.","type":"x","code":null}}`, "the model endpoint returned 401 Unauthorized: Incorrect API key provided: [key]."},
		"error a text": {404, `{"error":"model not found"}`, "the model endpoint returned 404 Not Found: model not found"},
		"message":      {400, `{"object":"error","message":"too long"}`, "the model endpoint returned 400 Bad Request: too long"},
		"detail":       {422, `{"detail":"no"}`, "the model endpoint returned 422 Unprocessable Entity: no"},
		"other JSON":   {400, `{"detail":[1]}`, `the model endpoint returned 400 Bad Request: {"detail":[1]}`},
		"text":         {503, "try later\n", "the model endpoint returned 503 Service Unavailable: try later"},
		"HTML":         {502, "<html>secret page", "the model endpoint returned 502 Bad Gateway"},
		"titled HTML":  {502, "<html><head><TITLE>\n Bad &amp; gone </TITLE>secret page", "the model endpoint returned 502 Bad Gateway: Bad & gone"},
		"list":         {400, `[{"error":{"code":400,"message":"bad schema","status":"INVALID_ARGUMENT"}}]`, "the model endpoint returned 400 Bad Request: bad schema"},
		"validation":   {422, `{"detail":[{"type":"missing","loc":["body","messages",0],"msg":"Field required"}]}`, "the model endpoint returned 422 Unprocessable Entity: body.messages.0: Field required"},
		"gateway":      {429, `{"error":{"message":"Provider returned error","metadata":{"raw":"{\"error\":\"busy\"}"}}}`, "the model endpoint returned 429 Too Many Requests: Provider returned error: busy"},
		"JSON in text": {400, `{"error":{"message":"{\"error\":{\"message\":\"inner\"}}"}}`, "the model endpoint returned 400 Bad Request: inner"},
		"other secrets": {500, `{"error":"upstream refused Authorization: Bearer abcdef.ghi and sk-proj-0123456789 at https://u/?key=AIzaFake"}`,
			"the model endpoint returned 500 Internal Server Error: upstream refused Authorization: Bearer [key] and [key] at https://u/?key=[key]"},
		"empty":      {500, "", "the model endpoint returned 500 Internal Server Error"},
		"odd status": {599, "", "the model endpoint returned 599"},
		"long":       {400, strings.Repeat("a", 799) + "ü", "the model endpoint returned 400 Bad Request: " + strings.Repeat("a", 799) + "..."},
		"key at cut": {400, strings.Repeat("a", 795) + secret, "the model endpoint returned 400 Bad Request: " + strings.Repeat("a", 795) + "[key]"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { refuse(w, c.status, c.body) })
			_, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &turntest.Recorder{})
			var refused *openai.EndpointError
			if !errors.As(err, &refused) || refused.Status != c.status || err.Error() != c.want {
				t.Errorf("error %v\n want %s", err, c.want)
			}
			if n := len(e.seen()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		retries, fails, status int
		requests               int
		ok                     bool
	}{
		"enough":       {2, 2, 429, 3, true},
		"not enough":   {1, 2, 503, 2, false},
		"not worth it": {2, 1, 400, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, func(n int, w http.ResponseWriter, r received) {
				if n < c.fails {
					refuse(w, c.status, `{"error":{"message":"later"}}`)
					return
				}
				chat(n, w, r)
			})
			runner := e.runner(t, func(o *openai.Options) { o.MaxRetries = c.retries })
			var rec turntest.Recorder
			_, err := runner.Run(t.Context(), turntest.Input("hi"), &rec)
			if (err == nil) != c.ok || len(e.seen()) != c.requests {
				t.Errorf("error %v after %d requests, want %d", err, len(e.seen()), c.requests)
			}
		})
	}
}

// TestCut tests connections that break within an answer, and before it.
func TestCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before   []string
		messages int
	}{"within": {[]string{said("a")}, 1}, "before": {nil, 0}} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) {
				stream(w, c.before...)
				panic(http.ErrAbortHandler)
			})
			var rec turntest.Recorder
			_, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &rec)
			if err == nil || !strings.HasPrefix(err.Error(), "the connection to the model endpoint failed: ") || len(rec.Messages()) != c.messages {
				t.Errorf("error %v, messages %q", err, rec.Messages())
			}
		})
	}
}

// TestCutAfterReason tests that a response which gave its reason to finish is whole, whatever happens to the connection.
func TestCutAfterReason(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) {
		stream(w, said("a"), finished("stop"))
		panic(http.ErrAbortHandler)
	})
	var rec turntest.Recorder
	outcome, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &rec)
	if err != nil || outcome != turn.EndTurn || len(rec.Messages()) != 1 {
		t.Errorf("outcome %q, error %v, messages %q", outcome, err, rec.Messages())
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, chat)
	runner := e.runner(t, nil)
	e.Close()
	_, err := runner.Run(t.Context(), turntest.Input("hi"), &turntest.Recorder{})
	if err == nil || !strings.HasPrefix(err.Error(), "the connection to the model endpoint failed: ") {
		t.Errorf("error %v", err)
	}
}

func TestBadTools(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, chat)
	in := turntest.Input("hi")
	in.Agent.Tools = []byte(`{}`)
	if _, err := e.runner(t, nil).Run(t.Context(), in, &turntest.Recorder{}); err == nil || len(e.seen()) > 0 {
		t.Errorf("error %v after %d requests, want one before any", err, len(e.seen()))
	}
}

// TestCancel tests that a context's end stops the runner wherever it waits for the endpoint.
func TestCancel(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter){
		"before the headers": func(http.ResponseWriter) {},
		"before the text":    func(w http.ResponseWriter) { stream(w); http.NewResponseController(w).Flush() },
		"within the text":    func(w http.ResponseWriter) { stream(w, said("a"), said("b")) },
		"before a retry": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			arrived, release := make(chan struct{}), make(chan struct{})
			e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) {
				answer(w)
				close(arrived)
				if name != "before a retry" {
					<-release
				}
			})
			defer close(release)
			go func() {
				<-arrived
				time.Sleep(20 * time.Millisecond)
				cancel()
			}()
			runner := e.runner(t, func(o *openai.Options) { o.MaxRetries = 1 })
			start := time.Now()
			outcome, err := runner.Run(ctx, turntest.Input("hi"), &turntest.Recorder{})
			if !errors.Is(err, context.Canceled) || outcome != "" {
				t.Errorf("outcome %q with error %v, want the context's", outcome, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("returned after %s", took)
			}
		})
	}
}

// TestSlow tests that pieces go out as they come, not at the end.
func TestSlow(t *testing.T) {
	t.Parallel()
	heard := make(chan string)
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) {
		for _, piece := range []string{"a", "b", "c"} {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, ": a comment\n\n")
			stream(w, said(piece))
			if got := <-heard; got != piece {
				t.Errorf("heard %q, want %q", got, piece)
			}
		}
		stream(w, finished("stop"), "[DONE]")
	})
	outcome, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &listener{heard: heard})
	if err != nil || outcome != turn.EndTurn {
		t.Errorf("outcome %q with error %v", outcome, err)
	}
}

// listener passes each piece on.
type listener struct {
	turntest.Recorder
	heard chan<- string
}

func (l *listener) Say(_ context.Context, piece string) error {
	l.heard <- piece
	return nil
}
