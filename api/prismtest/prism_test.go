//go:build unix

// Package prismtest asks Prism, another implementation of OpenAPI, whether a server's answers keep to the
// contract. It stands between a caller and a running server as a proxy and reports what it finds in the
// header sl-violations. `make prism` runs it; without $SESSIONS_PRISM its tests are skipped.
package prismtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/npmtest"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
)

const prismPackage = "@stoplight/prism-cli@5.16.0"

// requestTimeout is for one request: Prism is known to hang on some.
const requestTimeout = 20 * time.Second

// TestPrism replays good and bad requests through Prism and fails on every response that Prism finds fault
// with. It also fails when the server accepts what Prism says the contract forbids, and when it refuses an
// example or accepts a bad request.
func TestPrism(t *testing.T) {
	server := serverURL(t)
	doc := load(t)
	proxy := startPrism(t, server+"/api/v1/cloud")
	ids := makeResources(t, proxy)

	violated := 0 // requests that Prism found fault with: proof that it looks
	conform(t, server+"/api/v1/cloud", proxy)
	calls := slices.Concat(moreCalls(t, proxy), replayCalls(t, doc), badCalls(t, doc, ids))
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			got := do(t, proxy, c)
			for _, v := range got.violations {
				if v.in("response") {
					t.Errorf("%s: %s %s answered %d, which breaks the contract: %s\n%s", c.name, c.method, c.path, got.status, v, got.body)
				}
			}
			requestFaults := slices.DeleteFunc(slices.Clone(got.violations), func(v violation) bool { return !v.in("request") })
			if len(requestFaults) > 0 {
				violated++
			}
			switch {
			case c.good && got.status >= 300:
				t.Errorf("%s: %s %s answered %d to a good request:\n%s", c.name, c.method, c.path, got.status, got.body)
			case !c.good && (got.status < 400 || got.status >= 500):
				t.Errorf("%s: %s %s answered %d to a bad request:\n%s", c.name, c.method, c.path, got.status, got.body)
			case c.good && len(requestFaults) > 0:
				t.Errorf("%s: %s %s is good by the contract but not by Prism: %s", c.name, c.method, c.path, requestFaults)
			}
		})
	}
	if violated == 0 {
		t.Errorf("Prism found no fault with any of %d requests, bad ones among them: it does not look", len(calls))
	}
	t.Logf("%d requests replayed; Prism found fault with %d of them and looked at every response", len(calls), violated)
}

// conform sends a conformance run through Prism, which has to find every request and every response good. Streams go to the
// server itself: Prism would wait for their end.
func conform(t *testing.T, server, proxy string) {
	seen := 0
	through := client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			streams := strings.HasSuffix(req.URL.Path, "/stream")
			if !streams {
				to, err := url.Parse(proxy + strings.TrimPrefix(req.URL.String(), server))
				if err != nil {
					return nil, err
				}
				req.URL, req.Host = to, to.Host
			}
			resp, err := next(req)
			if err != nil {
				return nil, err
			}
			violations, err := violationsOf(resp)
			if err != nil {
				return nil, err
			}
			for _, v := range violations {
				t.Errorf("%s %s: the response is %d; Prism finds: %s", req.Method, req.URL.Path, resp.StatusCode, v)
			}
			if !streams {
				seen++
			}
			return resp, nil
		}
	})
	c, err := client.New(client.WithBaseURL(server), client.WithToken(os.Getenv("SESSIONS_PRISM_TOKEN")), client.WithTimeout(requestTimeout), client.WithMaxRetries(0), through)
	if err != nil {
		t.Fatal(err)
	}
	report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{Only: []string{"examples", "unknown-ids"}}) // whose requests are valid
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Operations {
		if r.Verdict != contractcheck.Conforms {
			t.Errorf("%s: %s %s %v", r.Operation, r.Verdict, r.Reason, r.Violations)
		}
	}
	if seen < len(report.Operations) {
		t.Errorf("only %d requests of a conformance run of %d operations went through Prism", seen, len(report.Operations))
	}
}

// TestPrismCanFail holds that a wrong answer is found, by way of a server that gives one right and one wrong.
func TestPrismCanFail(t *testing.T) {
	serverURL(t)
	var answer atomic.Value
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "fake")
		fmt.Fprint(w, answer.Load())
	}))
	defer fake.Close()
	proxy := startPrism(t, fake.URL)
	list := call{name: "listSessions", method: http.MethodGet, path: "/sessions", header: withToken()}
	for _, c := range []struct {
		name, body string
		wrong      bool
	}{
		{"right", `{"data":[],"first_id":null,"last_id":null,"has_more":false,"next_page":null}`, false},
		{"a property missing", `{"data":[],"first_id":null,"last_id":null,"has_more":false}`, true},
		{"a property too many", `{"data":[],"first_id":null,"last_id":null,"has_more":false,"next_page":null,"total":0}`, true},
		{"null for a list", `{"data":null,"first_id":null,"last_id":null,"has_more":false,"next_page":null}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer.Store(c.body)
			got := do(t, proxy, list)
			if found := slices.ContainsFunc(got.violations, func(v violation) bool { return v.in("response") }); found != c.wrong {
				t.Errorf("status %d, violations %v; want a response violation: %t", got.status, got.violations, c.wrong)
			}
		})
	}
}

// call is one request, its path relative to the API's base URL.
type call struct {
	name   string
	good   bool // whether the contract allows it
	method string
	path   string
	header http.Header
	body   []byte
}

// answer is what came back through Prism.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	violations []violation
}

// violation is one entry of the header sl-violations.
type violation struct {
	Location []string `json:"location"`
	Severity string   `json:"severity"`
	Code     any      `json:"code"`
	Message  string   `json:"message"`
}

func (v violation) in(part string) bool { return len(v.Location) > 0 && v.Location[0] == part }

func (v violation) String() string {
	return fmt.Sprintf("%s %v: %s", strings.Join(v.Location, "."), v.Code, v.Message)
}

// do sends a call through the proxy.
func do(t *testing.T, proxy string, c call) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, proxy+c.path, bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	violations, err := violationsOf(res)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body, violations: violations}
}

// violationsOf returns what Prism says of a response and its request.
func violationsOf(res *http.Response) (violations []violation, err error) {
	header := res.Header.Get("Sl-Violations")
	if header == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(header), &violations); err != nil {
		return nil, fmt.Errorf("sl-violations is not understood: %w: %s", err, header)
	}
	return violations, nil
}

// startPrism runs Prism as a proxy of upstream until the test ends, and returns its URL.
func startPrism(t *testing.T, upstream string) string {
	t.Helper()
	spec := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(spec, api.Spec(), 0o600); err != nil {
		t.Fatal(err)
	}
	return npmtest.Start(t, prismPackage, "prism", "proxy", spec, upstream, "--errors=false", "--host", "127.0.0.1", "--port", "FREE")
}

// serverURL is the server under test, http://HOST:PORT; the test is skipped without one.
func serverURL(t *testing.T) string {
	t.Helper()
	server := strings.TrimSuffix(os.Getenv("SESSIONS_PRISM"), "/")
	if server == "" {
		t.Skip("no $SESSIONS_PRISM, the URL of a running server: run `make prism`")
	}
	if os.Getenv("SESSIONS_PRISM_TOKEN") == "" {
		t.Fatal("$SESSIONS_PRISM is set and $SESSIONS_PRISM_TOKEN, a token of that server, is not")
	}
	return server
}

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi.Parse(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
