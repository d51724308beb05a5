package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// The accounts of the tests: alice has the demo's agent and environment, bob is somebody else.
const (
	aliceToken = "pt-alice"
	bobToken   = "pt-bob"
)

// harness is a server on SQLite on disk behind real TCP. kin-openapi's response filter validates every response a second
// time.
type harness struct {
	t      testing.TB
	server *server.Server
	web    *httptest.Server
	db     store.Store // a second handle on the same file, to prepare and to inspect
	dsn    string
	log    *syncBuffer
	clock  *clock
	within *atomic.Bool // streams stay within net/http

	agent, environment string
}

// start runs a server with two accounts. A test that starts one runs in parallel with the others.
func start(t testing.TB, change ...func(*server.Config)) *harness {
	t.Helper()
	if test, ok := t.(*testing.T); ok {
		test.Parallel()
	}
	return startOn(t, sqlitetest.Database(t), change...)
}

func startOn(t testing.TB, dsn string, change ...func(*server.Config)) *harness {
	t.Helper()
	h := &harness{t: t, dsn: dsn, log: &syncBuffer{}, clock: &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}, within: &atomic.Bool{}}
	config := server.Config{
		DB: h.dsn, Demo: true, DemoToken: "pt-demo", Now: h.clock.Now,
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	if h.server, err = server.New(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if h.db, err = sqlstore.Open(t.Context(), h.dsn, sqlstore.Options{Now: h.clock.Now}); err != nil {
		t.Fatal(err)
	}
	h.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.within.Load() {
			w = keptConnection{w}
		}
		h.server.ServeHTTP(w, r)
	}))
	t.Cleanup(h.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.log)
		}
	})
	for account, token := range map[string]string{"alice": aliceToken, "bob": bobToken} {
		_, _ = h.db.CreateToken(context.Background(), store.NewToken{Account: account, Name: account, Hash: auth.Hash(token)})
	}
	h.agent = h.mustCreate("/agents", `{"name":"a","model":"ultimate"}`)
	h.environment = h.mustCreate("/environments", `{"name":"e","config":{"type":"cloud"}}`)
	return h
}

func (h *harness) stop() {
	h.web.Close()
	_ = h.server.Close()
	_ = h.db.Close()
}

// in returns the harness for use in another test.
func (h *harness) in(t testing.TB) *harness {
	other := *h
	other.t = t
	return &other
}

// mustCreate posts as alice and returns the new id.
func (h *harness) mustCreate(path, body string) string {
	h.t.Helper()
	got := h.do(request{method: "POST", path: path, body: body})
	if got.status != http.StatusCreated {
		h.t.Fatalf("POST %s: %d %s", path, got.status, got.body)
	}
	return got.field("id").(string)
}

// request is a request of a test; zero fields are alice's token and JSON.
type request struct {
	method, path, body string
	token              string // "-" for none
	media              string // the content type; "" for JSON
	header             map[string]string
	raw                io.Reader // instead of body
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) field(path ...string) any {
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		return nil
	}
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// do sends a request to a path below the mount /api/v1/cloud, or below the root if the path starts with two slashes.
func (h *harness) do(r request) answer {
	h.t.Helper()
	url := h.web.URL + "/api/v1/cloud" + r.path
	if outside, ok := strings.CutPrefix(r.path, "//"); ok {
		url = h.web.URL + "/" + outside
	}
	if r.raw == nil {
		r.raw = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), r.method, url, r.raw)
	if err != nil {
		h.t.Fatal(err)
	}
	if r.token != "-" {
		req.Header.Set("Authorization", "Bearer "+orAlice(r.token))
	}
	if r.method != http.MethodGet {
		req.Header.Set("Content-Type", orDefault(r.media, "application/json"))
	}
	for name, value := range r.header {
		req.Header.Del(name)
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := h.web.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	got := answer{status: res.StatusCode, header: res.Header, body: body}
	if op := operationAt(h.t, r.method, req.URL.EscapedPath()); op != nil {
		seen.add(op.Operation.OperationID, got.status)
		secondOpinion(h.t, op, req, got)
	}
	if got.header.Get("X-Request-Id") == "" {
		h.t.Errorf("%s %s: no X-Request-Id", r.method, r.path)
	}
	return got
}

func orAlice(token string) string {
	if token == "" {
		return aliceToken
	}
	return token
}

// sessions counts the sessions of every account, archived ones too.
func (h *harness) sessions() int {
	h.t.Helper()
	n := 0
	for _, account := range []string{"alice", "bob", server.DemoAccount} {
		list, err := h.db.ListSessions(h.t.Context(), account, store.SessionFilter{}, store.Page{Limit: 1000, IncludeArchived: true})
		if err != nil {
			h.t.Fatal(err)
		}
		n += len(list.Items)
	}
	return n
}

// createBody is a valid body of createSession with these fields replaced; nil removes one.
func (h *harness) createBody(fields map[string]any) string {
	body := map[string]any{"agent": h.agent, "environment_id": h.environment}
	for name, value := range fields {
		if value == nil {
			delete(body, name)
		} else {
			body[name] = value
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// document is the loaded contract, once for all tests.
var document = sync.OnceValues(func() (*openapi3.T, error) { return openapi.Parse(api.Spec()) })

// routesOf has the contract's operations with a pattern of their paths, once for all tests.
var routesOf = sync.OnceValues(func() (map[*regexp.Regexp]*openapi3.PathItem, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	routes := map[*regexp.Regexp]*openapi3.PathItem{}
	for template, item := range doc.Paths.Map() {
		routes[regexp.MustCompile("^"+regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(template, "[^/]+")+"$")] = item
	}
	return routes, nil
})

// operationAt finds the contract's operation at a path of either mount, or nil.
func operationAt(t testing.TB, method, path string) *routers.Route {
	routes, err := routesOf()
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := document()
	relative := strings.TrimPrefix(strings.TrimPrefix(path, "/api/v1/cloud"), "/v1")
	var found *routers.Route
	least := 0
	for pattern, item := range routes {
		op, parameters := item.GetOperation(method), strings.Count(pattern.String(), "[^/]+")
		if op != nil && pattern.MatchString(relative) && (found == nil || parameters < least) { // a literal path comes first
			found, least = &routers.Route{Spec: doc, PathItem: item, Method: method, Operation: op}, parameters
		}
	}
	return found
}

// secondOpinion fails the test when kin-openapi's response filter refuses a response.
func secondOpinion(t testing.TB, route *routers.Route, req *http.Request, got answer) {
	t.Helper()
	err := openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route},
		Status:                 got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableFormatValidation()}},
	})
	if err != nil {
		t.Errorf("%s: the response violates the contract: %v", route.Operation.OperationID, err)
	}
}

// eventually waits until done reports true, which it asks less often the longer it waits.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	pause := time.Millisecond
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// seen collects which operation responded with which status, over all tests of the package.
var seen = &coverage{pairs: map[string]bool{}}

type coverage struct {
	mu    sync.Mutex
	pairs map[string]bool
}

func (c *coverage) add(operation string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pairs[fmt.Sprintf("%s %d", operation, status)] = true
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// formMedia is the content type of the forms of the tests.
const formMedia = "multipart/form-data; boundary=b"

// part is a part of a form: the header Content-Disposition has its name and, in a file, the filename.
type part struct{ name, filename, media, content string }

// form returns a body of formMedia.
func form(parts ...part) string {
	var body strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&body, "--b\r\nContent-Disposition: form-data; name=%q", p.name)
		if p.filename != "" {
			fmt.Fprintf(&body, "; filename=%q", p.filename)
		}
		if p.media != "" {
			fmt.Fprintf(&body, "\r\nContent-Type: %s", p.media)
		}
		fmt.Fprintf(&body, "\r\n\r\n%s\r\n", p.content)
	}
	return body.String() + "--b--\r\n"
}

// file uploads a file as alice and returns its id.
func (h *harness) file(name, content string) string {
	h.t.Helper()
	got := h.do(request{method: "POST", path: "/files", media: formMedia, body: form(part{"file", name, "", content})})
	if got.status != http.StatusCreated {
		h.t.Fatalf("upload: %d %s", got.status, got.body)
	}
	return got.field("id").(string)
}

// files creates files without content for alice and returns their ids.
func (h *harness) files(n int) (ids []string) {
	h.t.Helper()
	for i := range n {
		f, err := h.db.CreateFile(h.t.Context(), "alice", store.FileSpec{Name: fmt.Sprint(i), MediaType: "text/plain", Purpose: "user_upload"}, 1)
		if err != nil {
			h.t.Fatal(err)
		}
		ids = append(ids, f.ID)
	}
	return ids
}

// exampleForm is the first, by name, of the examples of a form.
func exampleForm(t testing.TB, media *openapi3.MediaType) string {
	var example map[string]string
	if err := json.Unmarshal([]byte(exampleBody(t, media)), &example); err != nil {
		t.Fatal(err)
	}
	var parts []part
	for _, name := range slices.Sorted(maps.Keys(example)) {
		parts = append(parts, part{name: name, content: example[name]})
	}
	return form(parts...)
}

// exampleBody is the first, by name, of a media type's examples.
func exampleBody(t testing.TB, media *openapi3.MediaType) string {
	names := slices.Sorted(maps.Keys(media.Examples))
	if len(names) == 0 {
		t.Fatal("a request body without examples")
	}
	data, err := json.Marshal(media.Examples[names[0]].Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
