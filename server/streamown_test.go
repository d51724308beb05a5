package server_test

import (
	"bufio"
	"bytes"
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
	for sent := 0; sent < 4; { // with the replies 7 MB: more than a connection holds
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

// Callers that leave in every state of a stream, and those that send more after their request, get nothing that is not
// theirs and leave nothing behind.
func TestCallersThatLeaveAStream(t *testing.T) {
	h := start(t)
	path := h.session()
	h.say(path, "Hi there")
	h.settled(path)
	head := fmt.Sprintf("GET /v1%s/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n", path, aliceToken)
	other := fmt.Sprintf("GET /v1%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, aliceToken)
	for i := range 60 {
		text := head + []string{"\r\n", "\r\n" + other, "Expect: 100-continue\r\n\r\n", "Content-Length: 0\r\n\r\n", "Content-Length: 10\r\n\r\n", ""}[i%6]
		conn := h.raw(t, text).(*net.TCPConn)
		if i%4 > 0 && i%6 < 4 {
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
		switch i % 3 {
		case 0:
			_ = conn.SetLinger(0)
		case 1:
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		}
		_ = conn.Close()
	}
	eventually(t, "no stream is open", func() bool { return h.metric("sessions_open_streams") == 0 })

	conn := h.raw(t, head+"\r\n"+strings.Repeat(other, 3))
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil || !res.Close {
		t.Fatal(res, err)
	}
	eventually(t, "the stream is open", func() bool { return h.metric("sessions_open_streams") == 1 })
	if _, err := io.WriteString(conn, other); err != nil {
		t.Fatal(err)
	}
	expect(t, h.remove(path), 200, nil)
	body, err := io.ReadAll(res.Body) // up to the last chunk
	if err != nil || !bytes.HasSuffix(body, []byte("\n\n")) || bytes.Count(body, []byte("event: session.deleted")) != 1 || bytes.Contains(body, []byte("HTTP/1.1")) {
		t.Errorf("%v: %s", err, body)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}
