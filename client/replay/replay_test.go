package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/client/replay"
	"github.com/cloud-sessions/sessions/gen/types"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded is a recording with an exchange of each kind.
const recorded = `sessions recording 1

exchange 1 at 0s createSession
request POST /v1/sessions
  Authorization: Bearer redacted
  Content-Type: application/json
json
  {
    "agent": "agent_1",
    "environment_id": "env_1"
  }
response 201 after 1s
  Content-Type: application/json
json
  {
    "id": "sess_1"
  }
end after 1s

exchange 2 at 2s getSession
request GET /v1/sessions/sess_1
response 200 after 0s
  Content-Type: application/json
json
  {"n": 1}
end after 0s

exchange 4 at 4s getSession
request GET /v1/sessions/sess_1
response 200 after 0s
  Content-Type: application/json
json
  {"n": 2}
end after 0s

exchange 3 at 3s streamEvents
request GET /v1/sessions/sess_1/events/stream?event_deltas[]=agent.message
response 200 after 1s
  Content-Type: text/event-stream
frame after 2s
  data: 1
frame after 10s
  data: 2
part after 20s
  data: 3
cut after 30s

exchange 5 at 5s createVaultCredential
request POST /v1/vaults/vault_1/credentials
  Content-Type: application/json
json
  {"auth": {"type": "static_bearer", "token": "redacted"}}
left after 1s

exchange 6 at 6s listModels
request GET /v1/models
cut after 1s

exchange 7 at 7s streamEvents
request GET /v1/sessions/sess_2/events/stream
response 200 after 0s
  Content-Type: text/event-stream
frame after 0s
  data: 1
left after 5s

exchange 10 at 8s
request POST /v1/agents
  Content-Type: application/json
json
  {"name": "a"}
response 200 after 0s
json
  {"name": "a"}
end after 0s

exchange 11 at 8s
request POST /v1/agents
  Content-Type: application/json
json
  {"name": "b"}
response 200 after 0s
json
  {"name": "b"}
end after 0s

exchange 8 at 8s
request GET /healthz?b=2&a=1
response 200 after 0s
text
  ok
end after 0s
`

func transport(t testing.TB, text string, o replay.Options) *replay.Transport {
	t.Helper()
	rec, err := recording.Read("f", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if o.Redactor, err = recording.NewRedactor(); err != nil {
		t.Fatal(err)
	}
	tr, err := replay.New(rec, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// send sends a request and returns the status and the body as far as it goes.
func send(t testing.TB, ctx context.Context, tr http.RoundTripper, method, target, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://server"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// message is the message of an error's envelope.
func message(t testing.TB, body string) string {
	t.Helper()
	var e types.Error
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.RequestID == "" || e.Error.Type != types.ErrorTypeFeatureNotAvailable {
		t.Errorf("%s: %v", body, err)
	}
	return e.Error.Message
}

func TestByRequest(t *testing.T) {
	t.Parallel()
	tr := transport(t, recorded, replay.Options{})
	for i, tc := range []struct {
		method, target, body string
		status               int
		want                 string // the body, or the message of a 501
	}{
		{"GET", "/v1/sessions/sess_1", "", 200, `{"n":1}`},
		{"POST", "/api/v1/cloud/sessions?beta=true", `{"environment_id":"env_1", "agent":"agent_1"}`, 201, `{"id":"sess_1"}`},
		{"POST", "/v1/sessions", `{"environment_id":"env_1","agent":"agent_1"}`, 501, "Every exchange of the recording for this POST /sessions was served; the last is 1."},
		{"POST", "/v1/sessions", `{"environment_id":"env_2","agent":"agent_1"}`, 501, "Every exchange of the recording for this POST /sessions was served; the last is 1."},
		{"GET", "/v1/sessions/sess_1", "", 200, `{"n":2}`},
		{"GET", "/v1/sessions/sess_1", "", 200, `{"n":2}`},
		{"POST", "/v1/agents", `{"name":"b"}`, 200, `{"name":"b"}`},
		{"POST", "/v1/agents", `{"name":"other"}`, 200, `{"name":"a"}`},
		{"GET", "/v1/sessions/sess_3", "", 501, "The recording has no GET /sessions/sess_3."},
		{"GET", "/v1/sessions/sess_1/events/stream", "", 501, "The recording has GET /sessions/sess_1/events/stream, but not like this; exchange 3 differs: it has another query."},
		{"GET", "/healthz?a=1&b=2", "", 200, "ok"},
		{"GET", "/v2/healthz", "", 501, "The recording has no GET /v2/healthz."},
	} {
		status, body, err := send(t, t.Context(), tr, tc.method, tc.target, tc.body)
		if status == 501 {
			body = message(t, body)
		}
		if status != tc.status || body != tc.want || err != nil {
			t.Errorf("%d: %d %s %v, want %d %s", i, status, body, err, tc.status, tc.want)
		}
	}
	if left := tr.Left(); len(left) != 4 || left[0].Number != 3 {
		t.Errorf("%+v", left)
	}
}

func TestInOrder(t *testing.T) {
	t.Parallel()
	tr := transport(t, recorded, replay.Options{InOrder: true})
	_, body, _ := send(t, t.Context(), tr, "GET", "/v1/sessions/sess_1", "")
	if got, want := message(t, body), "The next exchange of the recording is 1, POST /sessions; GET /sessions/sess_1 is not: it is another request."; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, r := range [][3]string{{"POST", "/v1/sessions", `{"environment_id":"env_1","agent":"agent_1"}`}, {"GET", "/v1/sessions/sess_1", ""}} {
		if status, body, err := send(t, t.Context(), tr, r[0], r[1], r[2]); status/100 != 2 || err != nil {
			t.Errorf("%v: %d %s %v", r, status, body, err)
		}
	}
	if left := tr.Left(); len(left) != 8 || left[0].Number != 3 {
		t.Errorf("%+v", left)
	}
	empty := transport(t, "sessions recording 1\n", replay.Options{InOrder: true})
	if _, body, _ = send(t, t.Context(), empty, "GET", "/v1/models", ""); message(t, body) != "All 0 exchanges of the recording were served." {
		t.Error(body)
	}
}

// TestEnds tests that what was broken off is broken off again, and that what its caller broke off stays open.
func TestEnds(t *testing.T) {
	t.Parallel()
	tr := transport(t, recorded, replay.Options{})
	const stream = "/v1/sessions/sess_1/events/stream?event_deltas[]=agent.message"
	if status, body, err := send(t, t.Context(), tr, "GET", stream, ""); status != 200 || body != "data: 1\n\ndata: 2\n\ndata: 3" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d %q %v", status, body, err)
	}
	if _, _, err := send(t, t.Context(), tr, "GET", "/v1/models", ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no response: %v", err)
	}
	for _, r := range [][3]string{{"GET", "/v1/sessions/sess_2/events/stream", ""}, {"POST", "/v1/vaults/vault_1/credentials", `{"auth":{"type":"static_bearer","token":"5ecre7"}}`}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithTimeout(t.Context(), time.Hour)
			defer leave()
			if _, body, err := send(t, ctx, tr, r[0], r[1], r[2]); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: %q %v", r, body, err)
			}
		})
	}
}

// TestRealTime tests that a stream takes the time that it took.
func TestRealTime(t *testing.T) {
	t.Parallel()
	tr := transport(t, recorded, replay.Options{RealTime: true})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://a/v1/sessions/sess_1/events/stream?event_deltas[]=agent.message", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil || time.Since(began) != time.Second {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		defer resp.Body.Close()
		for _, want := range []time.Duration{2 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second} {
			buffer := make([]byte, 100)
			if _, err := resp.Body.Read(buffer); time.Since(began) != want {
				t.Errorf("%q after %v, %v, want %v", buffer, time.Since(began), err, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, _, err := send(t, ctx, tr, "POST", "/v1/sessions", `{"environment_id":"env_1","agent":"agent_1"}`); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that leaves: %v", err)
		}
	})
}
