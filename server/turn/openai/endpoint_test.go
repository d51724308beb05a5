package openai_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/turn/openai"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is the API key that must not appear in any error.
const secret = "sk-very-secret"

// received is a request as the endpoint saw it.
type received struct {
	path, authorization string
	body                map[string]any
}

// endpoint is a chat completions endpoint whose answers are scripted.
type endpoint struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
}

// newEndpoint serves every request with answer, which is told how many came before.
func newEndpoint(t *testing.T, answer func(n int, w http.ResponseWriter, r received)) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := received{path: r.URL.Path, authorization: r.Header.Get("Authorization")}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &got.body)
		}
		if err != nil {
			t.Errorf("request body: %v", err)
		}
		e.mu.Lock()
		n := len(e.requests)
		e.requests = append(e.requests, got)
		e.mu.Unlock()
		answer(n, w, got)
	}))
	t.Cleanup(e.Close)
	return e
}

// seen returns the requests so far.
func (e *endpoint) seen() []received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests
}

// runner returns a runner that asks the endpoint.
func (e *endpoint) runner(t *testing.T, change func(*openai.Options)) *openai.Runner {
	t.Helper()
	options := openai.Options{BaseURL: e.URL + "/v1", APIKey: secret, HTTPClient: e.Client()}
	if change != nil {
		change(&options)
	}
	r, err := openai.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stream sends the events of a streamed answer, each at once.
func stream(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, event := range events {
		fmt.Fprintf(w, "data: %s\n\n", event)
		http.NewResponseController(w).Flush()
	}
}

// said is the chunk of a piece of text.
func said(piece string) string { return delta(fmt.Sprintf(`{"content":%q}`, piece)) }

// delta is a chunk with that delta.
func delta(d string) string {
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":%s,"finish_reason":null}]}`, d)
}

// called is the chunk of a piece of a tool call.
func called(index int, id, name, arguments string) string {
	return delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":%q}}]}`,
		index, id, name, arguments))
}

// finished is the chunk that ends an answer.
func finished(reason string) string {
	return fmt.Sprintf(`{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":%q}]}`, reason)
}

// used is the chunk that counts tokens.
func used(prompt, cached, completion int) string {
	return fmt.Sprintf(`{"id":"c1","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}}`,
		prompt, completion, cached)
}

// lastUser returns the text of the request's last user message, and whether a tool's result follows it.
func (r received) lastUser() (text string, resulted bool) {
	messages, _ := r.body["messages"].([]any)
	for _, m := range messages {
		switch message, _ := m.(map[string]any); message["role"] {
		case "user":
			text, _ = message["content"].(string)
			resulted = false
		case "tool":
			resulted = true
		}
	}
	return text, resulted
}

// chat answers like a model that looks at the weather once and then repeats the question.
func chat(_ int, w http.ResponseWriter, r received) {
	text, resulted := r.lastUser()
	if !resulted {
		stream(w, said("Let me"), said(" look."), called(0, "call_1", "get_weather", ""),
			called(0, "", "", `{"city":`), called(0, "", "", `"Oslo"}`), finished("tool_calls"), used(9, 4, 5), "[DONE]")
		return
	}
	events := []string{delta(`{"role":"assistant","content":""}`)}
	for _, word := range strings.SplitAfter(text, " ") {
		events = append(events, said(word))
	}
	stream(w, append(events, finished("stop"), used(20, 0, 7), "[DONE]")...)
}

// chatWithTools replies like a model that uses two tools of the server and a custom one at once, then one alone, and then
// repeats the question.
func chatWithTools(n int, w http.ResponseWriter, r received) {
	_, resulted := r.lastUser()
	switch {
	case !resulted:
		stream(w, said("Let me look."), called(0, "call_1", "look_up", `{"fail":true}`), called(1, "call_2", "get_weather", "{}"),
			called(2, "call_3", "t_library__find_book_a105c47c", "{}"), finished("tool_calls"), used(9, 4, 5), "[DONE]")
	case r.results() == 3:
		stream(w, called(0, "call_4", "look_up", "{}"), called(1, "call_5", "bash", "{}"), finished("tool_calls"), used(10, 0, 1), "[DONE]")
	default:
		chat(n, w, r)
	}
}

// results counts the results of tools after the last user message.
func (r received) results() (n int) {
	messages, _ := r.body["messages"].([]any)
	for _, m := range messages {
		switch message, _ := m.(map[string]any); message["role"] {
		case "user":
			n = 0
		case "tool":
			n++
		}
	}
	return n
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond is a response with a body.
func respond(body []byte) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}
}
