package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// revokeAlice revokes alice's token as another process does.
func (h *harness) revokeAlice() {
	h.t.Helper()
	token, err := h.db.TokenByHash(context.Background(), auth.Hash(aliceToken))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.db.RevokeToken(context.Background(), token.ID); err != nil {
		h.t.Fatal(err)
	}
}

// endsSoon fails the test unless a stream ends within 2 s, whatever it still has to send, and cannot be resumed.
func (h *harness) endsSoon(t *testing.T, s *stream, message string) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for more := true; more; {
			_, more = s.next()
		}
	}()
	select {
	case <-ended:
	case <-time.After(2 * time.Second):
		t.Fatal("the stream is still open after 2 s")
	}
	h.expectRefusal(t, request{method: "GET", path: "/sessions/sess_1/events/stream"}, refusal{401, "authentication_error", "", message})
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		t.Run("revoked while idle", func(t *testing.T) {
			h := take(start(t))
			s := h.stream(h.session(), "", nil)
			h.revokeAlice()
			h.endsSoon(t, s, "The token has been revoked.")
		})
		t.Run("revoked while events arrive", func(t *testing.T) {
			h := take(start(t, withRunner(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				for {
					if err := errors.Join(out.Say(ctx, "Hello."), ctx.Err()); err != nil {
						return "", err
					}
					time.Sleep(10 * time.Millisecond)
				}
			}))))
			path := h.session()
			s := h.stream(path, "?event_deltas[]=agent.message", nil)
			h.say(path, "Hi")
			s.until("event_delta")
			h.revokeAlice()
			h.endsSoon(t, s, "The token has been revoked.")
		})
		t.Run("expired", func(t *testing.T) {
			h := take(start(t))
			secret := auth.Mint()
			expiring := store.NewToken{Account: "alice", Hash: auth.Hash(secret), ExpiresAt: new(h.clock.Now().Add(time.Minute))}
			if _, err := h.db.CreateToken(t.Context(), expiring); err != nil {
				t.Fatal(err)
			}
			path := h.session()
			s, other := h.stream(path, "", map[string]string{"Authorization": "Bearer " + secret}), h.stream(path, "", nil)
			h.clock.advance(time.Minute)
			ended := make(chan bool, 1)
			go func() {
				_, more := s.next()
				ended <- !more
			}()
			select {
			case end := <-ended:
				if !end {
					t.Error("a frame arrived")
				}
			case <-time.After(2 * time.Second):
				t.Error("the stream is still open after 2 s")
			}
			h.expectRefusal(t, request{method: "GET", path: path + "/events/stream", token: secret},
				refusal{401, "authentication_error", "", "The token has expired."})
			h.say(path, "Hi") // the account's other token is not affected
			other.until("session.status_idle")
		})
		t.Run("revoked at another replica", func(t *testing.T) {
			first, second := replicas(t)
			s := second.stream(second.session(), "", nil)
			first.revokeAlice()
			second.endsSoon(t, s, "The token has been revoked.")
		})
	})
}

// A reader that does not read its stream does not keep it open beyond the end of the token.
func TestAStreamThatIsNotReadEndsWithItsToken(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		h := take(start(t, func(c *server.Config) { c.StreamPatience = time.Minute }))
		path := h.session()
		h.fillLog(path, 1, "first")
		first := h.events(path)[0].ID
		h.fillLog(path, 1, strings.Repeat("x", 300_000)) // more than the connection holds
		conn := h.narrow()
		_, err := io.WriteString(conn, "GET /v1"+path+"/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+aliceToken+"\r\nLast-Event-ID: "+first+"\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReaderSize(conn, 16).ReadByte(); err != nil {
			t.Fatal(err)
		}
		h.openStreams(1)
		h.revokeAlice()
		h.openStreams(0)
	})
}

// openStreams waits up to 2 s until the server has that many streams.
func (h *harness) openStreams(want int) {
	h.t.Helper()
	line := "\nsessions_open_streams " + string(rune('0'+want)) + "\n"
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		metrics := h.do(request{method: "GET", path: "//metrics", token: "-"})
		if strings.Contains(string(metrics.body), line) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("the server does not have %d open streams after 2 s", want)
		}
	}
}

// A request whose body arrives after its token was revoked has no effect.
func TestARequestIsRefusedWhenItsTokenIsRevokedBeforeItsBodyArrives(t *testing.T) {
	h := start(t)
	body, feed := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.web.URL+"/v1/sessions", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+aliceToken)
	req.Header.Set("Content-Type", "application/json")
	go func() {
		text := h.createBody(nil)
		_, _ = io.WriteString(feed, text[:1])
		time.Sleep(50 * time.Millisecond) // the server waits for the rest
		h.revokeAlice()
		_, _ = io.WriteString(feed, text[1:])
		_ = feed.Close()
	}()
	res, err := h.web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || h.sessions() != 0 {
		t.Errorf("%d, %d sessions", res.StatusCode, h.sessions())
	}
}
