package worker

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// TestASessionWithoutATurnIsLeft tells a worker what the last status of a session is, time after time.
func TestASessionWithoutATurnIsLeft(t *testing.T) {
	t.Parallel()
	const none, running, waits = "", `{"id":"event_1","type":"session.status_running"}`,
		`{"id":"event_2","type":"session.status_idle","stop_reason":{"type":"requires_action","event_ids":["event_0"]}}`
	idle := func(n int) string {
		return fmt.Sprintf(`{"id":"event_%d","type":"session.status_idle","stop_reason":{"type":"end_turn"}}`, n)
	}
	for what, test := range map[string]struct {
		statuses []string
		left     bool
	}{
		"no turn":               {[]string{none}, true},
		"a turn that runs":      {[]string{running, running, running}, false},
		"a turn that waits":     {[]string{waits, waits, waits}, false},
		"a turn that ended":     {[]string{running, idle(3), idle(3)}, true},
		"turns that ended":      {[]string{idle(3), idle(4), running, idle(5)}, false},
		"a server with trouble": {[]string{"trouble", "trouble"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			asked := 0 // by one request at a time
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				if asked > len(test.statuses) {
					cancel()
					return
				}
				if test.statuses[asked-1] == "trouble" {
					w.WriteHeader(http.StatusInternalServerError)
				}
				_, _ = fmt.Fprintf(w, `{"data":[%s]}`, test.statuses[asked-1])
			}))
			api, err := client.New(client.WithBaseURL(web.URL), client.WithToken("t"))
			if err != nil {
				t.Fatal(err)
			}
			left := false
			i := &item{session: "sess_1", api: api, calls: calls{cancel: func() { left = true }}}
			i.leave(ctx, time.Millisecond)
			web.Close()
			if left != test.left || left && asked != len(test.statuses) {
				t.Errorf("left %v after %d questions, want %v after %d", left, asked, test.left, len(test.statuses))
			}
		})
	}
}
