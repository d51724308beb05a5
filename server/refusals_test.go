package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/internal/needs"
)

// early is a request that is refused before its body is read: "METHOD PATH TOKEN CONTENT-TYPE", and the status.
type early struct {
	method, path, token, contentType string
	status                           int
}

var earlyRefusals = []early{
	{"POST", "/v1/sessions", "pt-nobody", "application/json", 401},
	{"POST", "/v1/nowhere", aliceToken, "application/json", 404},
	{"PUT", "/v1/sessions", aliceToken, "application/json", 405},
	{"POST", "/v1/sessions", aliceToken, "text/plain", 400},
	{"POST", "/v1/sessions/sess_1/archive", aliceToken, "application/json", 404}, // takes no body
	{"GET", "/healthz", aliceToken, "application/json", 200},
}

// script has one request a line, with the size of its body. 40 and 60 MiB are beyond the bound of any body.
func script() (lines string, want string) {
	var in, out strings.Builder
	add := func(r early, size int) {
		fmt.Fprintln(&in, r.method, r.path, r.token, r.contentType, size)
		fmt.Fprintln(&out, r.method, r.path, size, r.status)
	}
	for _, r := range earlyRefusals {
		for _, size := range []int{1 << 20, 5 << 20, 20 << 20, 60 << 20} {
			add(r, size)
		}
	}
	tooLarge := early{"POST", "/v1/sessions", aliceToken, "application/json", 400}
	add(tooLarge, 33<<20)
	add(tooLarge, 60<<20)
	return in.String(), out.String()
}

const pythonClient = `
import http.client, sys
for line in sys.stdin:
    method, path, token, content_type, size = line.split()
    c = http.client.HTTPConnection(sys.argv[1])
    try:
        c.request(method, path, b"x" * int(size), {"Authorization": "Bearer " + token, "Content-Type": content_type})
        r = c.getresponse()
        r.read()
        result = r.status
    except OSError as e:
        result = repr(e)
    print(method, path, size, result)
`

const nodeClient = `
const http = require("http");
const [host, port] = process.argv[1].split(":");
const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
const send = line => new Promise(done => {
  const [method, path, token, type, size] = line.split(" ");
  const headers = {"Authorization": "Bearer " + token, "Content-Type": type, "Content-Length": size};
  const request = http.request({host, port, method, path, headers, agent: false}, response => {
    response.on("data", () => {});
    response.on("end", () => setTimeout(() => done([method, path, size, response.statusCode].join(" ")), 20));
  });
  request.on("error", error => done([method, path, size, error].join(" ")));
  request.end(Buffer.alloc(Number(size), "x"));
});
(async () => { for (const line of lines) console.log(await send(line)); })();
`

// Every client sees the status of a request that is refused before its body is read, not a broken connection, although
// it sends the complete body before it reads.
func TestClientsSeeEarlyRefusals(t *testing.T) {
	h := start(t)
	lines, want := script()
	for program, arguments := range map[string][]string{
		"python3": {"-c", pythonClient},
		"node":    {"-e", nodeClient},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			client := exec.CommandContext(t.Context(), needs.Program(t, program), append(arguments, h.web.Listener.Addr().String())...)
			client.Stdin, client.Stderr = strings.NewReader(lines), t.Output()
			got, err := client.Output()
			if err != nil || string(got) != want {
				t.Errorf("%v\ngot:\n%s\nwant:\n%s", err, got, want)
			}
		})
	}
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		for _, r := range earlyRefusals {
			for _, length := range []bool{true, false} {
				var body io.Reader = bytes.NewReader(make([]byte, 20<<20))
				if !length {
					body = io.MultiReader(body) // hides its length, so that it is sent in chunks
				}
				if got := h.in(t).do(request{method: r.method, path: "/" + r.path, token: r.token, raw: body, header: map[string]string{"Content-Type": r.contentType}}); got.status != r.status {
					t.Errorf("%+v, length %t: %d %s", r, length, got.status, got.body)
				}
			}
		}
	})
}

// raw opens a connection and sends text. Nothing that is read from it takes more than 20 seconds.
func (h *harness) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", h.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// What is read of a refused body is bounded by time and by bytes, and the response does not wait for it.
func TestARefusedBodyIsNotReadForever(t *testing.T) {
	h := start(t)
	refused := func(length string) string {
		return "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pt-nobody\r\nContent-Type: application/json\r\n" + length + "\r\n\r\n"
	}
	// responses reads n responses, each of which ends with its error's closing brace.
	responses := func(t *testing.T, conn net.Conn, n int) string {
		t.Helper()
		var got []byte
		for part := make([]byte, 4096); bytes.Count(got, []byte("}\n")) < n; {
			n, err := conn.Read(part)
			if err != nil {
				t.Fatalf("%q %v", got, err)
			}
			got = append(got, part[:n]...)
		}
		return string(got)
	}
	t.Run("time", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		conn := h.raw(t, refused("Content-Length: 50000000"))
		got := responses(t, conn, 1)
		if !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.Contains(got, "Connection: close") || !strings.Contains(got, "Content-Length: ") {
			t.Errorf("%q", got)
		}
		if wait := time.Since(began); wait > 2*time.Second {
			t.Errorf("the response came after %s", wait)
		}
		_, err := conn.Read(make([]byte, 1))
		if wait := time.Since(began); err != io.EOF || wait < 4*time.Second || wait > 10*time.Second {
			t.Errorf("%v after %s, want the end after 5s", err, wait)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		conn := h.raw(t, refused("Content-Length: 1000000000"))
		responses(t, conn, 1)
		sent, part := 0, make([]byte, 1<<20)
		for began := time.Now(); time.Since(began) < 4*time.Second; {
			n, err := conn.Write(part)
			if sent += n; err != nil {
				break
			}
		}
		if sent < 64<<20 || sent > 128<<20 {
			t.Errorf("%d bytes were read", sent)
		}
	})
	t.Run("Expect", func(t *testing.T) {
		t.Parallel()
		conn := h.raw(t, refused("Expect: 100-continue\r\nContent-Length: 50000000"))
		if got := responses(t, conn, 1); !strings.HasPrefix(got, "HTTP/1.1 401 ") {
			t.Errorf("the body is asked for: %q", got)
		}
	})
	t.Run("a small body keeps the connection", func(t *testing.T) {
		t.Parallel()
		conn := h.raw(t, refused("Content-Length: 2")+"{}"+refused("Content-Length: 2")+"{}")
		if got := responses(t, conn, 2); strings.Contains(got, "Connection: close") {
			t.Errorf("%q", got)
		}
	})
}

// A letter of a path may be percent-encoded; a slash and a malformed id may not.
func TestPathsMayBePercentEncoded(t *testing.T) {
	h := start(t)
	id := strings.TrimPrefix(h.session(), "/sessions/")
	for path, want := range map[string]int{
		"//v1/%73essions":           200,
		"//%76%31/sessions":         200,
		"//api%2Fv1/cloud/sessions": 404,
		"//v1/sessions/" + strings.ReplaceAll(id, "_", "%5F"):                 200,
		"//v1/sess%69ons/" + id:                                               200,
		"//v1/%73essions/" + strings.ReplaceAll(id, "_", "%5f") + "/%65vents": 200,
		"//v1/%53essions":          404, // a capital S
		"//v1%2fsessions":          404,
		"//v1/sessions%2F" + id:    404,
		"//v1/sessions/%2e%2e":     400,
		"//v1/sessions/sess_%252e": 400,
		"//v1/%2e%2e/healthz":      404,
		"//%68ealthz":              200,
	} {
		if got := h.do(request{method: http.MethodGet, path: path}); got.status != want {
			t.Errorf("%s: %d %s, want %d", path, got.status, got.body, want)
		}
	}
}
