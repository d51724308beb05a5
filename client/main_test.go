package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/client"
)

// token is the token of all tests; no text may hold it.
const token = "pt-5ecre7"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder keeps what tests sent and how long they would have slept.
type recorder struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	slept    []time.Duration
}

// record keeps a request and its body.
func (r *recorder) record(req *http.Request) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.bodies = append(r.requests, req), append(r.bodies, string(body))
}

func (r *recorder) last() *http.Request { return r.requests[len(r.requests)-1] }

// clock is a clock that stands at 12:00:00 and notes down sleeps.
func (r *recorder) clock() client.Option {
	return client.WithClock(func() time.Time {
		return time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	}, func(ctx context.Context, d time.Duration) error {
		r.slept = append(r.slept, d)
		return ctx.Err()
	}, func() float64 { return 0 })
}

// scripted returns a client whose transport plays one step for each attempt, the last one over and over.
func scripted(t *testing.T, steps []client.RoundTripFunc, opts ...client.Option) (*client.Client, *recorder) {
	t.Helper()
	rec := &recorder{}
	transport := client.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		rec.record(req)
		step := steps[min(len(rec.requests), len(steps))-1]
		return step(req)
	})
	return newClient(t, append([]client.Option{
		client.WithToken(token), client.WithBaseURL("http://sessions.test/api/v1/cloud"),
		client.WithHTTPClient(&http.Client{Transport: transport}), rec.clock(),
	}, opts...)...), rec
}

func newClient(t *testing.T, opts ...client.Option) *client.Client {
	t.Helper()
	t.Setenv("QODER_PAT", "")
	t.Setenv("QODER_BASE_URL", "")
	c, err := client.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve starts a server on loopback and returns a client of it.
func serve(t *testing.T, handler http.HandlerFunc, opts ...client.Option) (*client.Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return newClient(t, append([]client.Option{
		client.WithToken(token), client.WithBaseURL(srv.URL + "/api/v1/cloud"), (&recorder{}).clock(),
	}, opts...)...), srv
}

// answer returns one response; headers are "Name: value".
func answer(status int, body string, headers ...string) client.RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}}
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			h.Set(name, value)
		}
		return &http.Response{
			StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
		}, nil
	}
}

// refuse plays a failed connection.
func refuse(err error) client.RoundTripFunc {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// envelope is the contract's error.
func envelope(errorType, message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_body"}`, errorType, message)
}

const sessionJSON = `{"id":"sess_1","type":"session","status":"idle","title":"t","agent":{"id":"agent_1","tools":[]},"usage":{}}`

// create is a write.
func create(ctx context.Context, c *client.Client, opts ...client.Option) error {
	_, err := c.Sessions.Create(ctx, &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: "agent_1"}, EnvironmentID: "env_1",
	}, opts...)
	return err
}

// get is a read.
func get(ctx context.Context, c *client.Client, opts ...client.Option) error {
	_, err := c.Sessions.Get(ctx, "sess_1", opts...)
	return err
}

// remove is a DELETE.
func remove(ctx context.Context, c *client.Client, opts ...client.Option) error {
	_, err := c.Sessions.Delete(ctx, "sess_1", opts...)
	return err
}

// archive is a write without a body.
func archive(ctx context.Context, c *client.Client, opts ...client.Option) error {
	_, err := c.Sessions.Archive(ctx, "sess_1", opts...)
	return err
}

// wantText fails unless err reads text.
func wantText(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if err.Error() != text {
		t.Errorf("error text\n got %q\nwant %q", err, text)
	}
}

// asError is err's *client.Error.
func asError(t *testing.T, err error) *client.Error {
	t.Helper()
	e, ok := err.(*client.Error)
	if !ok {
		t.Fatalf("error %T (%v), want *client.Error", err, err)
	}
	return e
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
