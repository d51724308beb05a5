package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server"
)

// Every read has the same status and headers for HEAD as for GET, which the contract allows, and no body.
func TestEveryReadHasItsHead(t *testing.T) {
	h := start(t, openGate)
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	ids := owned(t, h)
	each(t, func(t *testing.T, o operation) {
		head := o.at(ids)
		head.method = http.MethodHead
		if o.writes() {
			if got := h.do(head); !readable(t, o.template) && (got.status != http.StatusMethodNotAllowed || strings.Contains(got.header.Get("Allow"), "HEAD")) {
				t.Errorf("%d %v", got.status, got.header)
			}
			return
		}
		if compiled.Operation(o.id).NoHead { // a GET has an effect
			if got := h.do(head); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET" {
				t.Errorf("%d %v", got.status, got.header)
			}
			return
		}
		unknown := o.request // its path's ids are nobody's
		badToken := head
		badToken.token = "pt-nobody"
		malformed := head
		malformed.path += "?limit=0&after_id=%20"
		for name, r := range map[string]request{"a success": head, "not found": unknown, "no token": badToken, "a mistake": malformed} {
			r.method = http.MethodHead
			got := h.do(r)
			if len(got.body) > 0 {
				t.Errorf("%s: a body: %s", name, got.body)
			}
			if err := compiled.Operation(o.id).CheckHead(got.status, got.header); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if o.id == "streamEvents" && got.status == http.StatusOK {
				if media := got.header.Get("Content-Type"); media != "text/event-stream; charset=utf-8" {
					t.Errorf("%s: Content-Type %q", name, media)
				}
				continue
			}
			r.method = http.MethodGet
			want := h.do(r)
			for _, header := range []string{"Content-Type", "Content-Length", "WWW-Authenticate"} {
				if got.header.Get(header) != want.header.Get(header) {
					t.Errorf("%s: %s %q, want %q", name, header, got.header.Get(header), want.header.Get(header))
				}
			}
			if got.status != want.status {
				t.Errorf("%s: %d, want %d", name, got.status, want.status)
			}
		}
	})
	for _, path := range []string{"//healthz", "//readyz", "//metrics", "//openapi.yaml", "//openapi.json", "//openapi-3.2.json"} {
		if got := h.do(request{method: http.MethodHead, path: path, token: "-"}); got.status != http.StatusOK || len(got.body) > 0 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := h.do(request{method: http.MethodHead, path: "//nowhere"}); got.status != http.StatusNotFound || len(got.body) > 0 {
		t.Errorf("nowhere: %d %s", got.status, got.body)
	}
	if allow := h.do(request{method: http.MethodDelete, path: "/sessions"}).header.Get("Allow"); !strings.Contains(allow, "HEAD") {
		t.Errorf("Allow: %q", allow)
	}
	if log := h.log.String(); !strings.Contains(log, "method=HEAD operation=listSessions") {
		t.Errorf("the log says nothing of HEAD: %s", log)
	}
}

// readable reports whether a path of the contract has a GET.
func readable(t *testing.T, template string) bool {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return doc.Paths.Find(template).Get != nil
}

// HEAD of a stream ends after the headers, and the stream is not counted any longer.
func TestHeadOfAStreamEnds(t *testing.T) {
	h := start(t, func(c *server.Config) { c.MaxStreams = 1 })
	path := h.session()
	for range 3 {
		conn := h.raw(t, "HEAD /v1"+path+"/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+aliceToken+"\r\nConnection: close\r\n\r\n")
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") || !strings.HasSuffix(string(got), "\r\n\r\n") {
			t.Fatalf("%q %v", got, err)
		}
	}
}
