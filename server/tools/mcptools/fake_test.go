package mcptools_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fake is an MCP server that behaves, except where a test says otherwise. It speaks streamable HTTP at /mcp and the older
// SSE transport at /sse.
type fake struct {
	URL string

	mu       sync.Mutex
	requests []string // "METHOD rpc-method", in order
	tokens   []string // the Authorization of each
	sessions int
	live     map[string]bool
	// answers are called instead of the usual behaviour, by "rpc-method" or "GET" and "DELETE".
	answers map[string]answer
	tools   string // the result of tools/list
}

// answer responds to a message.
type answer func(w http.ResponseWriter, r *http.Request, m message)

// message is a JSON-RPC message of the client.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
		Cursor    string          `json:"cursor"`
	} `json:"params"`
}

const echoTool = `{"name":"echo","description":"Echoes.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}`

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{live: map[string]bool{}, answers: map[string]answer{}, tools: `{"tools":[` + echoTool + `]}`}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.URL = server.URL + "/mcp"
	return f
}

// on sets what happens to the messages of a method.
func (f *fake) on(method string, a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[method] = a
}

// once is on for the next message only.
func (f *fake) once(method string, a answer) {
	f.on(method, func(w http.ResponseWriter, r *http.Request, m message) {
		f.on(method, nil)
		a(w, r, m)
	})
}

// seen returns the requests so far, and forgets them.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.requests
	f.requests = nil
	return seen
}

// restart forgets all sessions.
func (f *fake) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.live)
}

// count returns how many requests of a kind there were.
func (f *fake) count(request string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r == request {
			n++
		}
	}
	return n
}

// authorizations are the different ones that came.
func (f *fake) authorizations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Compact(slices.Clone(f.tokens))
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m message
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &m)
	key := m.Method
	if r.Method != http.MethodPost {
		key = r.Method
	}
	f.mu.Lock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+m.Method))
	f.tokens = append(f.tokens, r.Header.Get("Authorization"))
	special, live := f.answers[key], f.live[r.Header.Get("Mcp-Session-Id")]
	f.mu.Unlock()
	switch {
	case special != nil:
		special(w, r, m)
	case m.Method == "server/discover":
		http.Error(w, "Bad Request: Server not initialized", http.StatusBadRequest)
	case m.Method == "initialize":
		f.mu.Lock()
		f.sessions++
		id := fmt.Sprintf("s%d", f.sessions)
		f.live[id] = true
		f.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", id)
		result(w, m, `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"fake","version":"1"}}`)
	case r.Method == http.MethodDelete:
	case !live:
		http.Error(w, "session not found", http.StatusNotFound)
	case m.Method == "tools/list":
		result(w, m, f.tools)
	case m.Method == "tools/call":
		result(w, m, text(m.Params.Name+" "+string(m.Params.Arguments)))
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// text is the result of a call.
func text(s string) string {
	quoted, _ := json.Marshal(s)
	return `{"content":[{"type":"text","text":` + string(quoted) + `}]}`
}

// result responds with a result.
func result(w http.ResponseWriter, m message, result string) {
	reply(w, "application/json", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result))
}

// results returns an answer with a result.
func results(r string) answer {
	return func(w http.ResponseWriter, _ *http.Request, m message) { result(w, m, r) }
}

// status returns an answer with a status.
func status(code int) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ message) { http.Error(w, "SECRET BODY", code) }
}

// replies returns an answer of 200 with any body.
func replies(contentType, body string) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ message) { reply(w, contentType, body) }
}

func reply(w http.ResponseWriter, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	_, _ = io.WriteString(w, body)
}

// rpcError returns an answer with a JSON-RPC error and a status.
func rpcError(code int, words string) answer {
	return func(w http.ResponseWriter, _ *http.Request, m message) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":%q}}`, m.ID, words)
	}
}

// hangs is an answer that never comes.
func hangs(w http.ResponseWriter, r *http.Request, _ message) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// halfJSON is an answer that begins and never ends.
func halfJSON(w http.ResponseWriter, r *http.Request, _ message) {
	reply(w, "application/json", "{")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// silent is an answer without even a header.
func silent(_ http.ResponseWriter, r *http.Request, _ message) { <-r.Context().Done() }

// host returns the host of a URL.
func host(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
