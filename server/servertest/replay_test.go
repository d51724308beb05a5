package servertest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/replay"
	"github.com/cloud-sessions/sessions/server/servertest"
)

const recordedModels = `sessions recording 1

exchange 1 at 0s listModels
request GET /v1/models
response 200 after 1ms
  Content-Type: application/json
  X-Request-Id: req_1
json
  {"data": [], "has_more": false}
end after 1ms

exchange 2 at 1s deleteSession
request DELETE /v1/sessions/sess_1
response 200 after 1ms
  Content-Type: application/json
  X-Request-Id: req_2
json
  {"id": "sess_1", "type": "session_deleted"}
end after 1ms
`

// TestReplay tests that a recording is served, and that a request that it does not have fails.
func TestReplay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "recording.txt")
	if err := os.WriteFile(path, []byte(recordedModels), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, inOrder := range []bool{false, true} {
		s := servertest.Replay(t, path, func(o *replay.Options) { o.InOrder = inOrder })
		c := s.Client(client.WithMaxRetries(0))
		_, err := c.Sessions.Delete(t.Context(), "sess_1")
		if failed := err != nil; failed != inOrder {
			t.Errorf("in order is %v: %v", inOrder, err)
		}
		if left := s.Left(); len(left) != map[bool]int{false: 1, true: 2}[inOrder] || left[0].Operation != "listModels" {
			t.Errorf("%+v", left)
		}
		if _, err := c.Models.List(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.Sessions.Get(t.Context(), "sess_2"); err == nil || err.(*client.Error).Type != client.ErrFeatureNotAvailable {
			t.Errorf("a request that was not recorded: %v", err)
		}
	}
}

func TestMalformedRecordings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "wild.txt")
	if err := os.WriteFile(path, []byte("wild"), 0o600); err != nil {
		t.Fatal(err)
	}
	test := &scope{TB: t}
	func() {
		defer func() { _ = recover() }()
		servertest.Replay(test, path)
	}()
	test.end()
	if want := `servertest: wild.txt:1: the first line must be "sessions recording 1", not "wild"`; len(test.failures) != 1 || test.failures[0] != want {
		t.Errorf("failures %q, want %s", test.failures, want)
	}
}
