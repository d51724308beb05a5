package openai_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// endless is a body without an end: first, and then the same text again and again.
type endless struct {
	first, text string
	at          int
	read        *atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.first)
	e.first = e.first[n:]
	for n < len(p) {
		copied := copy(p[n:], e.text[e.at:])
		e.at = (e.at + copied) % len(e.text)
		n += copied
	}
	e.read.Add(int64(n))
	return n, nil
}

func (e *endless) Close() error { return nil }

// TestEndless tests that what an endpoint sends is read up to a bound and no further, whatever it is. TestNearTheBounds has the
// bounds that only many events reach.
func TestEndless(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status      int
		first, text string
		most        int64 // bytes that may be read
		err         string
	}{
		"lines without a blank line": {200, "", "data: " + strings.Repeat("x", 1000) + "\n", 10 << 20, "The model endpoint sent an event of more than 8388608 bytes."},
		"a line":                     {200, "data: ", strings.Repeat("x", 1000), 10 << 20, "The model endpoint sent an event of more than 8388608 bytes."},
		"a comment":                  {200, ": ", strings.Repeat("x", 1000), 10 << 20, "The model endpoint sent an event of more than 8388608 bytes."},
		"JSON":                       {200, `{"choices":[{"message":{"content":"`, strings.Repeat("x", 1000), 10 << 20, "The model endpoint sent a response of more than 8388608 bytes."},
		"a page":                     {200, "<html>", strings.Repeat("x", 1000), 1 << 20, "The model endpoint sent a web page in place of a reply; check the base URL."},
		"a refusal":                  {500, "boom ", strings.Repeat("x", 1000), 1 << 20, "the model endpoint returned 500 Internal Server Error: boom xxx"},
		"a refusal as JSON":          {400, `{"error":{"message":"`, strings.Repeat("x", 1000), 1 << 20, `the model endpoint returned 400 Bad Request: {"error":{"message":"xxx`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var read atomic.Int64
			client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: c.status, Body: &endless{c.first, c.text, 0, &read}, Header: http.Header{}}, nil
			})}
			runner, err := openai.New(openai.Options{BaseURL: "http://localhost", HTTPClient: client})
			if err != nil {
				t.Fatal(err)
			}
			_, err = runner.Run(t.Context(), turntest.Input("hi"), &turntest.Recorder{})
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("error %.300v, want %s", err, c.err)
			}
			if n := read.Load(); n > c.most {
				t.Errorf("%d bytes were read, want at most %d", n, c.most)
			}
		})
	}
}

// TestAlive tests that whatever arrives counts as a sign of life, keep-alive comments included.
func TestAlive(t *testing.T) {
	t.Parallel()
	var rec turntest.Recorder
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, r received) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": keep-alive\n\n")
		_ = http.NewResponseController(w).Flush()
		for deadline := time.Now().Add(10 * time.Second); rec.SignsOfLife() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("a comment is no sign of life")
				break
			}
		}
		stream(w, said("a"), finished("stop"), "[DONE]")
	})
	if _, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &rec); err != nil {
		t.Fatal(err)
	}
}

// longHistory is n turns of about a thousand bytes each.
func longHistory(n int) (history []turn.Entry) {
	for i := range n {
		history = append(history,
			turn.Entry{Kind: turn.UserMessage, Text: fmt.Sprintf("question %d %s", i, strings.Repeat("x", 500))},
			turn.Entry{Kind: turn.AgentMessage, Text: fmt.Sprintf("reply %d %s", i, strings.Repeat("y", 500))})
	}
	return history
}

// TestWindow tests that the oldest turns are left out whole when a request would be too long, and that the log says how
// many.
func TestWindow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens, window int64
		bytes          int
		model          string
		first, second  int // turns before the current one in the first request and in the next one
	}{
		"no bound":              {0, 0, 0, "", 20, 20},
		"the model's window":    {0, 4000, 0, "", 10, 10},
		"learned, short tokens": {6000, 4000, 0, "", 10, 6},
		"learned, long tokens":  {2000, 4000, 0, "", 10, 20},
		"another model":         {0, 4000, 0, "other", 20, 20},
		"the operator's bound":  {0, 100, 6000, "", 4, 4},
		"nothing fits":          {0, 1, 0, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, func(_ int, w http.ResponseWriter, r received) {
				stream(w, said("a"), finished("stop"), used(int(c.tokens), 0, 1), "[DONE]")
			})
			var log bytes.Buffer
			runner := e.runner(t, func(o *openai.Options) {
				o.MaxInputBytes, o.Model, o.Logger = c.bytes, c.model, slog.New(slog.NewTextHandler(&log, nil))
			})
			in := turntest.Input("now")
			in.Agent.MaxInputTokens = c.window
			in.History = turn.InMemory(longHistory(20))
			for i, want := range []int{c.first, c.second} {
				log.Reset()
				if _, err := runner.Run(t.Context(), in, &turntest.Recorder{}); err != nil {
					t.Fatal(err)
				}
				messages := e.seen()[i].messages()
				if got := (len(messages) - 2) / 2; len(messages)%2 != 0 || got < want-1 || got > want+1 {
					t.Errorf("request %d: %d messages, want about %d turns", i, len(messages), want)
				}
				if messages[1]["role"] != "user" || messages[len(messages)-1]["content"] != "now" {
					t.Errorf("request %d: it begins with %v and ends with %v", i, messages[1], messages[len(messages)-1])
				}
				leftOut := fmt.Sprintf("left_out=%d kept=%d", 20-(len(messages)-2)/2, (len(messages)-2)/2)
				if (want < 20) != strings.Contains(log.String(), leftOut) {
					t.Errorf("request %d: log %q, want %q", i, &log, leftOut)
				}
			}
		})
	}
}

// TestStray tests that what is not the user's or model's is left out of requests: entries before the first message that
// was read, results of no use, empty messages.
func TestStray(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, chat)
	in := turntest.Input("And now?")
	in.History = turn.InMemory([]turn.Entry{
		{Kind: turn.AgentMessage, Text: "half a turn"}, {Kind: turn.CustomToolResult, UseID: "gone", Text: "lost"},
		{Kind: turn.UserMessage, Text: " "}, {Kind: turn.AgentMessage, Text: "\n"},
		{Kind: turn.UserMessage, Text: "b"}, {Kind: turn.AgentMessage, Text: "c"},
	})
	in.Entries = append(in.Entries, turn.Entry{Kind: turn.AgentMessage, Text: "broken off"})
	if _, err := e.runner(t, nil).Run(t.Context(), in, &turntest.Recorder{}); err != nil {
		t.Fatal(err)
	}
	want := `[{"content":"Be brief.","role":"system"},{"content":"(no text)\n\nb","role":"user"},{"content":"c","role":"assistant"},` +
		`{"content":"And now?","role":"user"},{"content":"broken off","role":"assistant"},{"content":"Continue.","role":"user"}]`
	if got := string(encode(e.seen()[0].body["messages"])); got != want {
		t.Errorf("messages\n%s, want\n%s", got, want)
	}
}

// TestAdvice tests that callers are advised to repeat a message where that can help, and only there.
func TestAdvice(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct {
		status int
		again  bool
	}{
		`{"error":{"message":"overloaded"}}`:                              {503, true},
		`{"error":{"message":"slow down"}}`:                               {429, true},
		`{"error":{"message":"You exceeded your current quota"}}`:         {429, false},
		`{"error":{"message":"No credits left"}}`:                         {402, false},
		`{"error":{"message":"bad request"}}`:                             {400, false},
		`{"error":{"message":"unknown model"}}`:                           {404, false},
		`{"error":{"message":"not implemented"}}`:                         {501, false},
		`data: {"error":{"message":"overloaded","code":529}}` + "\n\n":    {200, true},
		`data: {"error":{"message":"boom"}}` + "\n\n":                     {200, true},
		`data: {"error":{"message":"bad key","code":401}}` + "\n\n":       {200, false},
		`data: {"error":{"message":"x","code":"insufficient_quota"}}\n\n`: {200, true},
		`{"error":{"message":"spent","code":"insufficient_quota"}}`:       {200, false},
		`<html></html>`: {200, false},
		``:              {200, true},
	} {
		e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { refuse(w, c.status, body) })
		_, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &turntest.Recorder{})
		var public interface{ Public() string }
		if !errors.As(err, &public) || strings.HasSuffix(public.Public(), ". Send the message again.") != c.again {
			t.Errorf("%d %s: error %v, want advice: %v", c.status, body, err, c.again)
		}
	}
}

// TestSecrets tests that no form of the key is in an error, and that a short key does not mangle its words.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for key, c := range map[string]struct{ body, want string }{
		"a":            {"a bad key: a, not apple", "[key] bad key: [key], not apple"},
		`key "quoted"`: {`bad key \"quoted\" key+%22quoted%22 key "quoted"`, "bad [key] [key] [key]"},
	} {
		client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}, nil
		})}
		runner, err := openai.New(openai.Options{BaseURL: "http://localhost", APIKey: key, HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		_, err = runner.Run(t.Context(), turntest.Input("hi"), &turntest.Recorder{})
		if want := "the model endpoint returned 400 Bad Request: " + c.want; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
