package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// A stream takes over a connection that nothing else needs. On each other one it is the same, except that the connection
// stays open where it can.
func TestWhichStreamsTakeOverTheirConnections(t *testing.T) {
	h := start(t)
	path := h.session()
	h.say(path, "Hi there")
	for name, test := range map[string]struct {
		request string // the end of its head, and its body
		version string
		own     bool
	}{
		"without a body": {"\r\n", "1.1", true},
		"in HTTP/1.0":    {"\r\n", "1.0", false},
		"with a body":    {"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "1.1", false},
	} {
		conn := h.raw(t, fmt.Sprintf("GET /v1%s/events/stream HTTP/%s\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s", path, test.version, aliceToken, test.request))
		in := bufio.NewReader(conn)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", name, res, err)
		}
		if chunked := len(res.TransferEncoding) > 0; chunked != (test.version == "1.1") {
			t.Errorf("%s: %v", name, res.TransferEncoding)
		}
		if own := res.Close && test.version == "1.1"; own != test.own {
			t.Errorf("%s: closes: %v, want %v", name, own, test.own)
		}
		lines := bufio.NewReader(res.Body)
		for line := ""; line != "event: session.status_idle\n"; {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if field, _, ok := strings.Cut(line, ": "); line != "\n" && (!ok || field != "id" && field != "event" && field != "data") {
				t.Fatalf("%s: %q is not a line of a frame", name, line)
			}
		}
		_ = conn.Close()
	}
	h.openStreams(0)
}

// A stream's log line and metric come at its end, whichever way its events take, with the time until then.
func TestAStreamIsLoggedAtItsEnd(t *testing.T) {
	eachWay(t, func(t *testing.T, take func(*harness) *harness) {
		h := take(start(t))
		path := h.session()
		logged := func() int {
			return strings.Count(h.log.String(), "operation=streamEvents") + int(h.metric(`sessions_request_duration_seconds_count{operation="streamEvents",status="200"}`))
		}
		s := h.stream(path, "", nil)
		h.say(path, "Hi there")
		s.until("session.status_idle")
		if n := logged(); n != 0 {
			t.Errorf("an open stream is logged and counted %d times", n)
		}
		s.close()
		eventually(t, "the stream is logged and counted", func() bool { return logged() == 2 })
		if sum := h.metric(`sessions_request_duration_seconds_sum{operation="streamEvents",status="200"}`); sum <= 0 {
			t.Errorf("it took %f s", sum)
		}
		if !strings.Contains(h.log.String(), `status=200 duration=`) || !strings.Contains(h.log.String(), "account=alice path=/v1"+path+"/events/stream remote=127.0.0.1") {
			t.Error(h.log)
		}
	})
}

// Run waits for the streams that have taken over their connections, and ends those whose callers do not read.
func TestRunEndsStreamsThatAreNotRead(t *testing.T) {
	baseURL, stop, done := running(t, server.Config{
		Demo: true, DemoToken: "pt-demo", ShutdownTimeout: 300 * time.Millisecond, StreamPatience: time.Hour,
	})
	id := demoSession(t, baseURL)
	conn, err := net.Dial("tcp", strings.TrimPrefix(baseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	fmt.Fprintf(conn, "GET /v1/sessions/%s/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pt-demo\r\n\r\n", id)
	if err := readUntil(conn, make([]byte, 4096), "\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"events":[{"type":"user.message","content":%q}]}`, strings.Repeat("x", 900_000))
	for sent := 0; sent < 8; { // with the replies 14 MB: more than a connection holds
		res, err := demoRequest(t, "POST", baseURL+"/v1/sessions/"+id+"/events", body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			sent++
		} else { // the turn of the message before runs
			time.Sleep(5 * time.Millisecond)
		}
	}
	stop()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "still under way after 300ms") {
		t.Errorf("Run: %v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection is still open: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}
