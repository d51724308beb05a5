package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
)

// measure repeats what is measured, and reports the processor time that it takes, of all goroutines: on a busy machine that
// is steadier than the time that passes.
func measure(b *testing.B, run func()) {
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// readInProcess calls the handler without a network; the response must be a 200.
func (h *harness) readInProcess(b *testing.B, path string) {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1"+path, nil)
	r.Header.Set("Authorization", "Bearer "+aliceToken)
	w := httptest.NewRecorder()
	w.Body = nil
	h.server.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("GET %s: %d", path, w.Code)
	}
}

// BenchmarkListSessions reads the newest 20 of 200 sessions.
func BenchmarkListSessions(b *testing.B) {
	h := start(b)
	for i := range 200 {
		h.mustCreate("/sessions", h.createBody(map[string]any{"title": fmt.Sprint(i), "metadata": map[string]string{"purpose": "customer-support"}}))
	}
	measure(b, func() { h.readInProcess(b, "/sessions") })
}

// BenchmarkListEvents reads 100 events of a session.
func BenchmarkListEvents(b *testing.B) {
	h := start(b)
	path := h.session()
	h.longLog(b, strings.TrimPrefix(path, "/sessions/"), 200)
	measure(b, func() { h.readInProcess(b, path+"/events?limit=100") })
}

// longLog appends messages to a session's log.
func (h *harness) longLog(b *testing.B, session string, events int) {
	_, _, err := h.db.AppendEvents(b.Context(), "alice", session, func(*store.Session) (list []store.NewEvent, err error) {
		for i := range events {
			list = append(list, store.NewEvent{Type: "agent.message", TurnID: "turn_1", Payload: fmt.Appendf(nil, `{"content":[{"type":"text","text":"message %d of many"}]}`, i)})
		}
		return list, nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTurn runs turns from the message to the end on the stream: of one session at its beginning, of one with a
// long log, and of 32 at a time.
func BenchmarkTurn(b *testing.B) {
	for _, c := range []struct {
		name             string
		logged, sessions int
	}{{"one", 0, 1}, {"long", 10_000, 1}, {"32", 0, 32}} {
		b.Run(c.name, func(b *testing.B) {
			h := start(b, func(c *server.Config) { c.Now, c.Logger = nil, nil })
			turns := make(chan struct{})
			done := make(chan error)
			for range c.sessions {
				path := h.session()
				if c.logged > 0 {
					h.longLog(b, strings.TrimPrefix(path, "/sessions/"), c.logged)
				}
				ended := h.follow(b, path)
				go func() {
					for range turns {
						done <- h.turn(b.Context(), path, ended)
					}
				}()
			}
			started, finished := 0, 0
			measure(b, func() {
				if started-finished == c.sessions {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
					finished++
				}
				turns <- struct{}{}
				started++
			})
			for ; finished < started; finished++ {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			close(turns)
		})
	}
}

// follow opens a stream and returns a channel that receives at the end of each turn.
func (h *harness) follow(b *testing.B, path string) <-chan struct{} {
	ended := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(context.Background())
	b.Cleanup(stop)
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1"+path+"/events/stream", nil)
	r.Header.Set("Authorization", "Bearer "+aliceToken)
	go h.server.ServeHTTP(&idleWatcher{header: http.Header{}, ended: ended}, r)
	return ended
}

// idleWatcher is the writer of a stream.
type idleWatcher struct {
	header http.Header
	ended  chan<- struct{}
}

func (w *idleWatcher) Header() http.Header { return w.header }
func (w *idleWatcher) WriteHeader(int)     {}
func (w *idleWatcher) Flush()              {}
func (w *idleWatcher) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("\nevent: session.status_idle\n")) {
		w.ended <- struct{}{}
	}
	return len(p), nil
}

// turn sends a message and waits for the end of its turn.
func (h *harness) turn(ctx context.Context, path string, ended <-chan struct{}) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1"+path+"/events", strings.NewReader(`{"events":[{"type":"user.message","content":"What is the state of my order?"}]}`))
	r.Header.Set("Authorization", "Bearer "+aliceToken)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return fmt.Errorf("%d %s", w.Code, w.Body)
	}
	<-ended
	return nil
}
