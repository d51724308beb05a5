package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

func TestAStreamEndsWithItsSession(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		h := take(start(t))
		path := h.session()
		s := h.stream(path, "", nil)
		h.say(path, "Hi there")
		s.until("session.status_idle")
		expect(t, h.remove(path), 200, nil)
		f, ok := s.next()
		if !ok || f.Event != "session.deleted" || f.Data["type"] != "session.deleted" || f.Data["session_id"] != strings.TrimPrefix(path, "/sessions/") {
			t.Errorf("%v, %v", f, ok)
		}
		if f, more := s.next(); more {
			t.Errorf("after the end: %v", f)
		}
	})
}

func TestAnIdleStreamHasHeartbeats(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		h := take(start(t, func(c *server.Config) { c.Heartbeat = 5 * time.Millisecond }))
		path := h.session()
		s := h.stream(path, "", nil)
		s.beat(3)
		h.say(path, "Hi there")
		if diff := cmp.Diff(echoedTurn, events(s.until("session.status_idle"))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTooManyStreams(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		h := take(start(t, func(c *server.Config) { c.MaxStreams = 2 }))
		path := h.session()
		first := h.stream(path, "", nil)
		h.stream(path, "", nil)
		tooMany := request{method: "GET", path: path + "/events/stream"}
		want := refusal{429, "rate_limit_error", "", "The account has 2 open streams already; close one and try again."}
		got := h.do(tooMany)
		if refusalOf(got) != want || got.header.Get("Retry-After") != "1" {
			t.Errorf("%+v %v", refusalOf(got), got.header)
		}
		tooMany.token = bobToken // another account has its own
		if got := refusalOf(h.do(tooMany)); got.Status != 404 {
			t.Errorf("%+v", got)
		}
		first.close()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // until the server has seen it
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.web.URL+"/v1"+path+"/events/stream", nil)
			req.Header.Set("Authorization", "Bearer "+aliceToken)
			res, err := h.web.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode == 200 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a closed stream still counts")
			}
		}
	})
}

// TestASlowReaderIsDropped opens a stream over a connection that is not read, and fills it.
func TestASlowReaderIsDropped(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		h := take(start(t, func(c *server.Config) { c.StreamPatience, c.MaxStreams = 50*time.Millisecond, 2 }))
		path := h.session()
		conn := h.narrow()
		fmt.Fprintf(conn, "GET /v1%s/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, aliceToken)
		h.say(path, strings.Repeat("x", 300_000)) // more than the connection holds
		h.settled(path)
		h.dropsTheReader(t)
	})
}

// narrow connects to the server over a connection that holds little: those of the system hold megabytes.
func (h *harness) narrow() net.Conn {
	h.t.Helper()
	web := httptest.NewUnstartedServer(h.web.Config.Handler)
	web.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			_ = conn.(*net.TCPConn).SetWriteBuffer(1 << 10)
		}
	}
	web.Start()
	h.t.Cleanup(web.Close)
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(1 << 10)
	return conn
}

// TestASlowReaderIsDroppedOverHTTP2 does the same over HTTP/2, where a reader that does not read blocks its stream alone. Before
// that nothing happens for longer than a reader may take: such a stream stays open.
func TestASlowReaderIsDroppedOverHTTP2(t *testing.T) {
	h := start(t, func(c *server.Config) { c.StreamPatience, c.Heartbeat = time.Second, 1200*time.Millisecond })
	path := h.session()
	web := httptest.NewUnstartedServer(h.server)
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	web.Client().Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/v1"+path+"/events/stream", nil)
	req.Header.Set("Authorization", "Bearer "+aliceToken)
	res, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Fatal(res.Proto)
	}
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != ": heartbeat\n" {
		t.Fatalf("%q, %v", line, err)
	}
	h.say(path, strings.Repeat("x", 300_000)) // more than the client lets the server send ahead
	h.settled(path)
	h.dropsTheReader(t)
}

// dropsTheReader waits until the one stream has ended, and is counted as dropped.
func (h *harness) dropsTheReader(t *testing.T) {
	t.Helper()
	eventually(t, "the slow reader is dropped and counted", func() bool {
		return h.metric("sessions_open_streams") == 0 && h.metric("sessions_stream_readers_dropped_total") == 1
	})
}

// demoRequest sends a request as the demo account.
func demoRequest(t testing.TB, method, url, body string) (*http.Response, error) {
	req, _ := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer pt-demo")
	req.Header.Set("Content-Type", "application/json")
	return http.DefaultClient.Do(req)
}

// demoSession creates a session for the demo account.
func demoSession(t testing.TB, url string) string {
	t.Helper()
	res, err := demoRequest(t, "POST", url+"/v1/sessions", pageBody)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var session struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&session); err != nil {
		t.Fatal(err)
	}
	return session.ID
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	url, stop, ran := running(t, server.Config{Demo: true, DemoToken: "pt-demo", ShutdownTimeout: 20 * time.Second})
	id := demoSession(t, url)
	const streams = 200
	var open sync.WaitGroup
	var ended sync.WaitGroup
	for range streams {
		open.Add(1)
		ended.Go(func() {
			res, err := demoRequest(t, "GET", url+"/v1/sessions/"+id+"/events/stream", "")
			open.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if _, err := res.Body.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
				t.Errorf("the stream ended with %v", err) // a clean end: the caller resumes elsewhere
			}
		})
	}
	open.Wait()
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	ended.Wait()
}

// TestEveryReaderSeesEveryEventOnce has readers that drop out and resume at random, while turns run.
func TestEveryReaderSeesEveryEventOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		const sessions, turns, readers = 25, 8, 2 // 7 events a turn: 1,400
		h := take(start(t))
		paths := make([]string, sessions)
		for i := range paths {
			paths[i] = h.session()
		}
		var all sync.WaitGroup
		seenBy := make([][]string, sessions*readers)
		for i := range seenBy {
			path, random := paths[i/readers], rand.New(rand.NewPCG(7, uint64(i)))
			all.Go(func() {
				for cursor, idles := "", 0; idles < turns; {
					query := ""
					if cursor != "" {
						query = "?after_id=" + cursor
					}
					s := h.stream(path, query, nil)
					for range 1 + random.IntN(30) {
						f, ok := s.next()
						if !ok {
							t.Error("a stream ended by itself")
							return
						}
						cursor = f.ID
						seenBy[i] = append(seenBy[i], f.ID)
						if f.Event == "session.status_idle" {
							idles++
						}
						if idles == turns {
							break
						}
					}
					s.close()
				}
			})
		}
		for i := range paths {
			all.Go(func() {
				s := h.stream(paths[i], "", nil)
				defer s.close()
				for range turns {
					h.say(paths[i], "Hi there")
					s.until("session.status_idle")
				}
			})
		}
		all.Wait()
		total := 0
		for i, path := range paths {
			var want []string
			for _, f := range h.events(path) {
				want = append(want, f.ID)
			}
			total += len(want)
			if distinct := slices.Compact(slices.Sorted(slices.Values(want))); len(distinct) != len(want) {
				t.Errorf("%s: %d ids for %d events", path, len(distinct), len(want))
			}
			for r := range readers {
				if diff := cmp.Diff(want, seenBy[i*readers+r]); diff != "" {
					t.Fatalf("reader %d of %s: %s", r, path, diff)
				}
			}
		}
		if total != sessions*turns*len(echoedTurn) {
			t.Errorf("%d events", total)
		}
	})
}

// TestEveryTurnEndsOnce sends, cancels, interrupts, archives and deletes from many goroutines at once.
func TestEveryTurnEndsOnce(t *testing.T) {
	h := start(t, scripted(t, `rules: [{steps: [think, say: [a, b, c], wait: 1ms, say: d]}]`))
	const sessions, callers, calls = 12, 6, 25
	var all sync.WaitGroup
	paths := make([]string, sessions)
	for i := range paths {
		paths[i] = h.session()
		for c := range callers {
			random := rand.New(rand.NewPCG(uint64(i), uint64(c)))
			all.Go(func() {
				for n := range calls {
					path, body := paths[i]+"/events", `{"events":[{"type":"user.message","content":"Hi"}]}`
					switch pick := random.IntN(20); {
					case pick < 5:
						path, body = paths[i]+"/cancel", ""
					case pick < 9:
						body = `{"events":[{"type":"user.interrupt"}]}`
					case pick == 9 && i%3 == 1 && n > calls/2:
						path, body = paths[i]+"/archive", ""
					case pick == 9 && i%3 == 2 && n > calls/2:
						if got := h.remove(paths[i]); got.status != 200 && got.status != 409 && got.status != 404 {
							t.Errorf("delete: %d %s", got.status, got.body)
						}
						continue
					}
					switch got := h.post(path, body); got.status {
					case 200, 202, 409, 404:
					default:
						t.Errorf("%s: %d %s", path, got.status, got.body)
					}
				}
			})
		}
	}
	all.Wait()
	ended := 0
	for _, path := range paths {
		if h.get(path).status == 404 {
			continue
		}
		status := h.settled(path)
		open, last := "", ""
		for _, f := range h.events(path) {
			switch f.Event {
			case "session.status_running":
				if open != "" {
					t.Errorf("%s: %s begins within %s", path, f.ID, open)
				}
				open = f.Data["turn_id"].(string)
			case "session.status_idle":
				if f.Data["turn_id"] != open {
					t.Errorf("%s: %s ends %v, not %s", path, f.ID, f.Data["turn_id"], open)
				}
				open, last = "", f.Data["stop_reason"].(map[string]any)["type"].(string)
				ended++
			case "user.interrupt":
			default:
				if open == "" || f.Data["turn_id"] != open {
					t.Errorf("%s: %s of %v outside of its turn", path, f.Event, f.Data["turn_id"])
				}
			}
		}
		if open != "" || (status == "cancelled") != (last == "cancelled") {
			t.Errorf("%s is %s after a turn that ended with %q; open: %q", path, status, last, open)
		}
	}
	if ended < sessions {
		t.Errorf("%d turns: too few for this test to mean anything", ended)
	}
}
