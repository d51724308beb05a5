package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/turn"
)

// answering is a function as a runner.
type answering func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error)

func (f answering) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	return f(ctx, in, out)
}

func withRunner(r turn.Runner) func(*server.Config) {
	return func(c *server.Config) { c.Runner = r }
}

// scripted makes the agent follow a script.
func scripted(t testing.TB, text string) func(*server.Config) {
	t.Helper()
	script, err := turn.ParseScript("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return withRunner(script.Runner(turn.WallClock{}))
}

// waiting is a runner that sends a message and waits until it is told to stop or to continue.
type waiting struct {
	started chan struct{} // gets one for each turn that has begun
	goOn    chan struct{}
}

func newWaiting() *waiting {
	return &waiting{started: make(chan struct{}, 100), goOn: make(chan struct{}, 100)}
}

func (w *waiting) Run(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
	if err := out.Say(ctx, "Hold on."); err != nil {
		return "", err
	}
	w.started <- struct{}{}
	select {
	case <-ctx.Done():
		out.Spend(turn.Usage{InputTokens: 3})
		return "", ctx.Err()
	case <-w.goOn:
		return turn.EndTurn, nil
	}
}

// session creates a session for alice and returns its path.
func (h *harness) session() string {
	h.t.Helper()
	return "/sessions/" + h.mustCreate("/sessions", h.createBody(nil))
}

// say sends a message, which must be accepted.
func (h *harness) say(path, text string) {
	h.t.Helper()
	body, _ := json.Marshal(map[string]any{"events": []any{map[string]any{"type": "user.message", "content": text}}})
	if got := h.post(path+"/events", string(body)); got.status != 200 {
		h.t.Fatalf("send: %d %s", got.status, got.body)
	}
}

// keptConnection is a ResponseWriter that does not give its connection away, as those of HTTP/2 and of many middlewares.
type keptConnection struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (keptConnection) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w keptConnection) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// eachWay runs a test on both ways that the events of a stream take to the caller. The test calls take with its servers.
func eachWay(t *testing.T, test func(t *testing.T, take func(*harness) *harness)) {
	for name, within := range map[string]bool{"on a connection of its own": false, "within net http": true} {
		t.Run(name, func(t *testing.T) {
			test(t, func(h *harness) *harness {
				h.within.Store(within)
				return h
			})
		})
	}
}

// frame is a server-sent event.
type frame struct {
	ID, Event string
	Data      map[string]any
}

// stream is an open stream.
type stream struct {
	t      testing.TB
	res    *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
	beats  int // heartbeats so far
}

// stream opens a stream, which must succeed.
func (h *harness) stream(path, query string, header map[string]string) *stream {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.web.URL+"/v1"+path+"/events/stream"+query, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+aliceToken)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := h.web.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	s := &stream{t: h.t, res: res, lines: bufio.NewReader(res.Body), cancel: cancel}
	h.t.Cleanup(s.close)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || res.Header.Get("X-Request-Id") == "" {
		h.t.Fatalf("stream: %d %v", res.StatusCode, res.Header)
	}
	seen.add("streamEvents", 200)
	return s
}

func (s *stream) close() {
	s.cancel()
	_ = s.res.Body.Close()
}

// next returns the next frame; ok is false at the end of the stream.
func (s *stream) next() (f frame, ok bool) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			if err != io.EOF && !strings.Contains(err.Error(), "canceled") && !strings.Contains(err.Error(), "closed") {
				s.t.Logf("stream: %v", err)
			}
			return frame{}, false
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == ": heartbeat":
			s.beats++
		case name == "id":
			f.ID = value
		case name == "event":
			f.Event = value
		case name == "data":
			if err := json.Unmarshal([]byte(value), &f.Data); err != nil {
				s.t.Fatalf("%v: %s", err, line)
			}
		case line == "" && f.Event != "":
			return f, true
		}
	}
}

// beat waits for n heartbeats, with no frame in between.
func (s *stream) beat(n int) {
	s.t.Helper()
	for range n {
		for _, want := range []string{": heartbeat\n", "\n"} {
			if line, err := s.lines.ReadString('\n'); err != nil || line != want {
				s.t.Fatalf("%q, %v, want %q", line, err, want)
			}
		}
	}
}

// until returns the frames up to the first of that event, included.
func (s *stream) until(event string) (frames []frame) {
	s.t.Helper()
	for {
		f, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended before %s: %s", event, events(frames))
		}
		frames = append(frames, f)
		if f.Event == event {
			return frames
		}
	}
}

// events returns the frames' events, with the text of messages and deltas.
func events(frames []frame) (all []string) {
	for _, f := range frames {
		text := f.Event
		if f.Event == "agent.message" || f.Event == "user.message" {
			for _, block := range f.Data["content"].([]any) {
				text += fmt.Sprintf(" %q", block.(map[string]any)["text"])
			}
		}
		if reason, ok := f.Data["stop_reason"].(map[string]any); ok {
			text += fmt.Sprint(" ", reason["type"])
		}
		all = append(all, text)
	}
	return all
}

// events returns all of a session's events as frames.
func (h *harness) events(path string) (frames []frame) {
	h.t.Helper()
	for query := "?limit=100"; ; {
		got := h.get(path + "/events" + query)
		if got.status != 200 {
			h.t.Fatalf("list: %d %s", got.status, got.body)
		}
		var page struct {
			Data     []map[string]any
			NextPage *string `json:"next_page"`
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			h.t.Fatal(err)
		}
		for _, data := range page.Data {
			frames = append(frames, frame{ID: data["id"].(string), Event: data["type"].(string), Data: data})
		}
		if page.NextPage == nil {
			return frames
		}
		query = "?limit=100&page=" + *page.NextPage
	}
}

// settled waits until no turn of a session runs and returns its status.
func (h *harness) settled(path string) (status string) {
	h.t.Helper()
	eventually(h.t, "the turn has ended", func() bool {
		status, _ = h.get(path).field("status").(string)
		return status != "processing"
	})
	return status
}
