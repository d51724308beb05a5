package contractproxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client/contractproxy"
	"github.com/cloud-sessions/sessions/gen/types"
)

const models = `{"data":[],"has_more":false}`

// modes are both modes of a proxy.
var modes = map[string]func(*contractproxy.Options){"report": func(*contractproxy.Options) {}, "enforce": enforce}

// TestRequestsPass tests what reaches the upstream of a request, and the caller of a response.
func TestRequestsPass(t *testing.T) {
	t.Parallel()
	type seen struct {
		*http.Request
		body string
	}
	requests := make(chan seen, 1)
	h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- seen{r, string(body)}
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-End", "2")
		w.Header().Set("Trailer", "X-Sum")
		respond(200, "{}")(w, r)
		w.Header().Set("X-Sum", "3")
		w.Header().Set(http.TrailerPrefix+"X-Late", "4")
	})+"/base")
	message := `{ "events": [{"type": "user.message", "content": "hi"}]}`
	got := raw(t, h.url, "POST /v1/sessions/sess_%41/events?a=%zz;b&limit=1 HTTP/1.1\r\nHost: example.com\r\nConnection: close, X-Private\r\nX-Private: 1\r\nTE: trailers\r\n"+
		"X-Forwarded-For: 1.2.3.4\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Digest\r\n\r\n"+
		fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Digest: 5\r\n\r\n", len(message), message))
	r := <-requests
	if r.URL.EscapedPath() != "/base/v1/sessions/sess_%41/events" || r.URL.RawQuery != "a=%zz;b&limit=1" || r.body != message || r.Trailer.Get("X-Digest") != "5" {
		t.Errorf("%s %s %q %v", r.URL.EscapedPath(), r.URL.RawQuery, r.body, r.Trailer)
	}
	if r.Host == "example.com" || r.Header.Get("X-Private") != "" || r.Header.Get("Accept-Encoding") != "" || r.Header.Get("X-Forwarded-For") != "1.2.3.4" || r.Header.Get("Te") != "trailers" {
		t.Errorf("%s %v", r.Host, r.Header)
	}
	_, rest, _ := strings.Cut(got, "\r\n\r\n")
	if strings.Contains(got, "X-Hop") || strings.Contains(got, "Keep-Alive") || !strings.Contains(got, "X-End: 2\r\n") || !strings.Contains(rest, "X-Sum: 3\r\n") || !strings.Contains(rest, "X-Late: 4\r\n") {
		t.Errorf("%s", got)
	}
	if want := "POST /v1/sessions/sess_%41/events sendEvents request: The query string is malformed; percent-encode its names and values. (query)"; len(h.found()) == 0 || h.found()[0] != want {
		t.Errorf("%q, want %q", h.found(), want)
	}
}

// TestHead tests that HEAD passes, with the length of what GET would send, and that its missing body is not missed.
func TestHead(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "28")
			respond(200, "")(w, r)
		}), mode)
		resp, body := do(t, newRequest(t, "HEAD", h.url+"/v1/models", ""))
		if resp.StatusCode != 200 || resp.ContentLength != 28 || body != "" || len(h.found()) > 0 {
			t.Errorf("%s: %+v, %q", name, resp, h.found())
		}
	}
}

// TestExpect tests that a caller that waits for a 100 sends its body only when the upstream wants it.
func TestExpect(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		message := `{"events":[{"type":"user.message","content":"hi"}]}`
		head := func(path string) string {
			return "POST " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(message)) + "\r\n\r\n"
		}
		bodies := make(chan string, 1)
		h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies <- string(body)
			respond(200, `{"data":[]}`)(w, r)
		}), mode)
		conn := dial(t, h.url)
		in := bufio.NewReader(conn)
		_, _ = io.WriteString(conn, head("/v1/sessions/sess_1/events"))
		if line, err := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%s: %q %v", name, line, err)
		}
		_, _ = io.WriteString(conn, message)
		rest, err := io.ReadAll(in)
		if got := <-bodies; got != message || !strings.Contains(string(rest), "HTTP/1.1 200 OK") || strings.Contains(string(rest), "100 Continue") || err != nil {
			t.Errorf("%s: %q, %q, %v", name, got, rest, err)
		}
		if name == "enforce" {
			continue // it reads the body first
		}
		refusing := start(t, serve(t, respondEarly(403, `{"type":"error","error":{"type":"permission_error","message":"no"},"request_id":"req_1"}`)), mode)
		if got := raw(t, refusing.url, head("/v1/sessions/sess_1/events")); !strings.HasPrefix(got, "HTTP/1.1 403 Forbidden\r\n") || len(refusing.found()) > 0 {
			t.Errorf("%s: %q, %q", name, got, refusing.found())
		}
	}
}

// respondEarly responds without reading the body.
func respondEarly(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		respond(status, body)(w, &http.Request{Body: http.NoBody})
	}
}

// TestRequestViolations tests that an invalid request is reported, and refused in place of the upstream where that is wanted.
func TestRequestViolations(t *testing.T) {
	t.Parallel()
	const jsonType = "Content-Type: application/json"
	for name, mode := range modes {
		calls := 0
		h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			respond(400, `{"type":"error","error":{"type":"invalid_request_error","message":"the upstream's"},"request_id":"req_1"}`)(w, r)
		}), mode)
		for _, tc := range []struct {
			method, path, body string
			headers            []string
			found, param       string
			status             int // when it is enforced
		}{
			{"POST", "/v1/sessions", `{"agent":"agent_1"}`, []string{jsonType}, "POST /v1/sessions createSession request: Missing required field: environment_id (environment_id)", "environment_id", 400},
			{"POST", "/v1/sessions", `{`, []string{jsonType}, "POST /v1/sessions createSession request: The request body is not valid JSON (near byte 1).", "body", 400},
			{"POST", "/v1/sessions", ``, []string{jsonType}, "POST /v1/sessions createSession request: The request body is missing; send a JSON object.", "body", 400},
			{"POST", "/v1/sessions", `a=b`, []string{"Content-Type: text/plain"}, "POST /v1/sessions createSession request: Header 'Content-Type' must be application/json. (Content-Type)", "Content-Type", 400},
			{"POST", "/v1/sessions", `{}`, []string{jsonType, "Content-Encoding: gzip"}, "POST /v1/sessions createSession request: Header 'Content-Encoding' must be identity; send the body uncompressed. (Content-Encoding)", "Content-Encoding", 415},
			{"GET", "/v1/sessions?limit=0", ``, nil, "GET /v1/sessions listSessions request: Parameter 'limit' must be an integer between 1 and 100. (limit)", "limit", 400},
			{"POST", "/v1/files", `x`, []string{jsonType}, "POST /v1/files uploadFile request: Header 'Content-Type' must be multipart/form-data with a boundary. (Content-Type)", "Content-Type", 400},
			{"GET", "/v1/nothing?token=5ecre7", ``, nil, "GET /v1/nothing request: The contract has no such operation.", "", 404},
		} {
			before, calledBefore := len(h.found()), calls
			resp, body := do(t, newRequest(t, tc.method, h.url+tc.path, tc.body, tc.headers...))
			if got := h.found()[before:]; len(got) == 0 || got[0] != tc.found {
				t.Errorf("%s: %s %s: found %q, want %q", name, tc.method, tc.path, got, tc.found)
			}
			if name == "report" {
				if calls != calledBefore+1 || !strings.Contains(body, "the upstream's") {
					t.Errorf("%s %s: %d %s", tc.method, tc.path, resp.StatusCode, body)
				}
				continue
			}
			var envelope types.Error
			err := json.Unmarshal([]byte(body), &envelope)
			param := ""
			if envelope.Error.Param != nil {
				param = *envelope.Error.Param
			}
			if err != nil || resp.StatusCode != tc.status || param != tc.param || envelope.RequestID == "" || resp.Header.Get("X-Request-Id") != envelope.RequestID || calls != calledBefore {
				t.Errorf("%s %s: %d %s, %v, want %d %q", tc.method, tc.path, resp.StatusCode, body, err, tc.status, tc.param)
			}
		}
		if total := h.Summary().Total(); total != len(h.found()) || h.Summary().Violations["createSession"] < 5 {
			t.Errorf("%+v", h.Summary())
		}
	}
}

// TestPreflightPasses tests that what browsers ask before a request passes.
func TestPreflightPasses(t *testing.T) {
	t.Parallel()
	h := start(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }), enforce)
	if resp, body := do(t, newRequest(t, "OPTIONS", h.url+"/v1/sessions", "")); resp.StatusCode != 204 || len(h.found()) > 0 {
		t.Errorf("%d %s %q", resp.StatusCode, body, h.found())
	}
}

// TestResponseViolations tests that an invalid response is reported, and replaced where that is wanted.
func TestResponseViolations(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		for _, tc := range []struct {
			status int
			body   string
			change func(http.Header)
			found  []string
		}{
			{200, models, func(http.Header) {}, nil},
			{200, `{"data":[],"has_more":1}`, func(http.Header) {}, []string{"GET /v1/models listModels 200: type at '/has_more': must be true or false"}},
			{200, models, func(h http.Header) { h.Del("X-Request-Id") }, []string{"GET /v1/models listModels 200: header: X-Request-Id is missing"}},
			{200, models, func(h http.Header) { h.Set("Content-Type", "text/html") }, []string{"GET /v1/models listModels 200: content: the content type is not declared"}},
			{200, `{}`, func(h http.Header) { h.Del("X-Request-Id") }, []string{"GET /v1/models listModels 200: header: X-Request-Id is missing", "GET /v1/models listModels 200: required at '/data': is missing"}},
			{200, models, func(h http.Header) { h.Set("Content-Encoding", "x") }, []string{"GET /v1/models listModels 200: content: the body is encoded, although the request did not accept that"}},
			{418, models, func(http.Header) {}, []string{"GET /v1/models listModels 418: status: the status is not declared"}},
		} {
			h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", "req_1")
				w.Header().Set("X-Upstream", "1")
				tc.change(w.Header())
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}), mode)
			resp, body := do(t, newRequest(t, "GET", h.url+"/v1/models", ""))
			want := tc.found
			if name == "enforce" && len(want) > 1 {
				want = want[:1] // the first one refuses it
			}
			if got := h.found(); !slices.Equal(got, want) {
				t.Errorf("%s: found %q, want %q", name, got, want)
			}
			if name == "report" || tc.found == nil {
				if resp.StatusCode != tc.status || body != tc.body || resp.Header.Get("X-Upstream") != "1" {
					t.Errorf("%s: %d %s", name, resp.StatusCode, body)
				}
				continue
			}
			_, reason, _ := strings.Cut(want[0], "00: ")
			if tc.status == 418 {
				reason = "status: the status is not declared"
			}
			if resp.StatusCode != 502 || !strings.Contains(body, `"type":"api_error","message":"The response of the server violates the contract: `+reason) || resp.Header.Get("X-Upstream") != "" {
				t.Errorf("%d %v %s, want %q", resp.StatusCode, resp.Header, body, reason)
			}
		}
	}
}

// TestLargeResponses tests that a response beyond the bound passes, and that this is reported.
// TestUpgrades tests that a connection that the upstream takes over is a violation, and that nothing passes behind it where the
// contract is enforced.
func TestUpgrades(t *testing.T) {
	upstream := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nbehind it")
	})
	const text = "GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"
	const finding = "GET /v1/models listModels 101: status: the status is not declared"
	h := start(t, upstream)
	if got := raw(t, h.url, text); !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, "behind it") || !slices.Equal(h.found(), []string{finding}) {
		t.Errorf("%q, %q", got, h.found())
	}
	h = start(t, upstream, enforce)
	closing := strings.Replace(text, "Connection: Upgrade", "Connection: Upgrade, close", 1)
	if got := raw(t, h.url, closing); !strings.HasPrefix(got, "HTTP/1.1 502 ") || strings.Contains(got, "behind it") || !slices.Equal(h.found(), []string{finding}) {
		t.Errorf("%q, %q", got, h.found())
	}
}

func TestLargeResponses(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		large := `{"data":[],"has_more":false` + strings.Repeat(" ", 4000) + `,"x":1}`
		h := start(t, serve(t, respond(200, large)), mode, func(o *contractproxy.Options) { o.MaxBody = 1000 })
		resp, body := do(t, newRequest(t, "GET", h.url+"/v1/models", ""))
		if want := []string{"GET /v1/models listModels 200: The response is larger than 0 KiB and was not validated."}; resp.StatusCode != 200 || body != large || !slices.Equal(h.found(), want) || h.Summary().Unchecked != 1 || h.Summary().Total() != 0 {
			t.Errorf("%s: %d, %d bytes, %q", name, resp.StatusCode, len(body), h.found())
		}
		if name == "report" {
			do(t, newRequest(t, "POST", h.url+"/v1/sessions", large, "Content-Type: application/json"))
			if want := "POST /v1/sessions createSession request: The request is larger than 0 KiB and was not validated."; !slices.Contains(h.found(), want) {
				t.Errorf("%q", h.found())
			}
		}
	}
}

// TestEvents tests that the events of a stream are validated as they pass, and that a stream ends before an invalid one
// where that is wanted.
func TestEvents(t *testing.T) {
	t.Parallel()
	unknown := strings.Replace(running("2"), `"turn_id"`, `"more":1,"turn_id"`, 1)
	whole := []string{running("1"), ": heartbeat\n\n", unknown[:20], unknown[20:], strings.Replace(running("3"), "id: evt_3", "id: evt_0", 1), running("4"), "data: cut"}
	for name, mode := range modes {
		h := start(t, serve(t, stream(whole...)), mode)
		resp, body := do(t, newRequest(t, "GET", h.url+streamPath, ""))
		first := "GET " + streamPath + " streamEvents 200: additionalProperties at '/more': unknown property"
		want := []string{first, "GET " + streamPath + " streamEvents 200: event: the id line of an event of type session.status_running is not its id"}
		text := strings.Join(whole, "")
		if name == "enforce" {
			want = want[:1]
			text = whole[0] + whole[1] + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"," +
				`"message":"The response of the server violates the contract: additionalProperties at '/more': unknown property"},"request_id":"req_1"}` + "\n\n"
		}
		if resp.StatusCode != 200 || body != text || !slices.Equal(h.found(), want) {
			t.Errorf("%s: %d %q, found %q\nwant %q, %q", name, resp.StatusCode, body, h.found(), text, want)
		}
		large := start(t, serve(t, stream(running("1"), "data: "+strings.Repeat("x", 5000), "\n\n", unknown)), mode, func(o *contractproxy.Options) { o.MaxBody = 1000 })
		_, body = do(t, newRequest(t, "GET", large.url+streamPath, ""))
		want = []string{"GET " + streamPath + " streamEvents 200: The event is larger than 0 KiB and was not validated.", first}
		if !slices.Equal(large.found(), want) || !strings.Contains(body, "xxx\n\n") || (name == "enforce") == strings.Contains(body, `"more"`) {
			t.Errorf("%s: %q, found %q", name, body, large.found())
		}
	}
}

// TestStreamsAreNotHeldBack tests that what has come passes before more comes: any byte, or where the contract is enforced
// any event; and that a caller that leaves ends the upstream's request.
func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		pieces, left := make(chan string), make(chan struct{})
		h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			stream("")(w, r)
			for {
				select {
				case text := <-pieces:
					stream(text)(w, r)
				case <-r.Context().Done():
					close(left)
					return
				}
			}
		}), mode)
		ctx, leave := context.WithCancel(t.Context())
		next := lines(t, ctx, h.url+streamPath) // the headers have come
		texts := []string{running("1"), ": heartbeat\n\n"}
		if name == "report" {
			texts = append(texts, "id: evt_2\n", "event: a\n")
		}
		for _, text := range texts {
			pieces <- text
			for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
				if got := next(); got != line {
					t.Fatalf("%s: %q, want %q", name, got, line)
				}
			}
		}
		leave()
		<-left
	}
}

// broken is an upstream that closes its connection after some bytes.
func broken(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// TestUpstreamDies tests that a caller gets of an upstream that dies what it would have got without a proxy.
func TestUpstreamDies(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nX-Request-Id: req_1\r\nContent-Type: "
	for what, tc := range map[string]struct{ text, path, body, found string }{
		"before the headers": {"", "/v1/models", "", "GET /v1/models listModels request: The upstream closed the connection without a response."},
		"in the headers":     {"HTTP/1.1 200 OK\r\nX-Requ", "/v1/models", "", "GET /v1/models listModels request: The upstream closed the connection without a response."},
		"after the headers":  {head + "application/json\r\nContent-Length: 28\r\n\r\n", "/v1/models", "", "GET /v1/models listModels 200: The upstream broke off the response."},
		"in the body":        {head + "application/json\r\nContent-Length: 28\r\n\r\n{\"data\":", "/v1/models", `{"data":`, "GET /v1/models listModels 200: The upstream broke off the response."},
		"in an event": {head + "text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n8\r\nid: evt_\r\n", len(running("1")), running("1")),
			streamPath, running("1") + "id: evt_", "GET " + streamPath + " streamEvents 200: The upstream broke off the response."},
	} {
		for name, mode := range modes {
			h := start(t, broken(t, tc.text), mode)
			got := raw(t, h.url, "GET "+tc.path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if found := h.found(); !slices.Equal(found, []string{tc.found}) {
				t.Errorf("%s, %s: found %q, want %q", what, name, found, tc.found)
			}
			header, body, responded := strings.Cut(got, "\r\n\r\n")
			if strings.Contains(header, "chunked") {
				decoded, err := io.ReadAll(newChunked(body))
				if err == nil {
					t.Errorf("%s, %s: the body is complete", what, name)
				}
				body = string(decoded)
			}
			if strings.HasPrefix(what, "before") || what == "in the headers" {
				if got != "" {
					t.Errorf("%s, %s: got %q, want nothing", what, name, got)
				}
			} else if !responded || body != tc.body {
				t.Errorf("%s, %s: got %q, want the body %q", what, name, got, tc.body)
			}
		}
	}
}

// newChunked decodes a body in chunks.
func newChunked(body string) io.Reader {
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+body)), nil)
	if err != nil {
		return strings.NewReader(err.Error())
	}
	return resp.Body
}

// TestUnreachable tests that a caller learns that an upstream cannot be reached.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		h := start(t, "http://127.0.0.1:1", mode)
		resp, body := do(t, newRequest(t, "GET", h.url+"/v1/models", "", "X-Request-Id: req_7"))
		if found := h.found(); resp.StatusCode != 502 || !strings.Contains(body, `"request_id":"req_7"`) || len(found) != 1 || !strings.HasPrefix(found[0], "GET /v1/models listModels request: The upstream cannot be reached: ") {
			t.Errorf("%s: %d %s %q", name, resp.StatusCode, body, found)
		}
	}
}

func TestNoUpstream(t *testing.T) {
	t.Parallel()
	if _, err := contractproxy.New(contractproxy.Options{}); err == nil {
		t.Error("no error")
	}
	if _, err := contractproxy.New(contractproxy.Options{Upstream: &url.URL{Scheme: "http", Host: "a"}}); err != nil {
		t.Error(err)
	}
}

// TestBodiesAreNotHeldBack tests that while nothing is enforced, the beginning of a body passes before its end has come, both
// ways, and that it is validated at its end nevertheless.
func TestBodiesAreNotHeldBack(t *testing.T) {
	t.Parallel()
	const begin, end = `{"events":[{"type":"user.message",`, `"content":"hi"}],"more":1}`
	got, more := make(chan string), make(chan struct{})
	h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		half := make([]byte, len(begin))
		_, _ = io.ReadFull(r.Body, half)
		got <- string(half)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = io.WriteString(w, `{"data":`)
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, `[],"other":1}`)
	}))
	conn := dial(t, h.url)
	_, _ = fmt.Fprintf(conn, "POST /v1/sessions/sess_1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(begin)+len(end), begin)
	if half := <-got; half != begin {
		t.Errorf("%q arrived", half)
	}
	_, _ = io.WriteString(conn, end)
	in := bufio.NewReader(conn)
	for line := ""; !strings.HasPrefix(line, `{"data":`); {
		var err error
		if line, err = in.ReadString(':'); err != nil {
			t.Fatal(err)
		}
		line = line[strings.LastIndexByte(line, '\n')+1:]
	}
	close(more)
	_, _ = io.ReadAll(in)
	want := []string{
		"POST /v1/sessions/sess_1/events sendEvents request: Unknown field 'more'. (more)",
		"POST /v1/sessions/sess_1/events sendEvents 200: additionalProperties at '/other': unknown property",
	}
	if !slices.Equal(h.found(), want) {
		t.Errorf("found %q, want %q", h.found(), want)
	}
}
