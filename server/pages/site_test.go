package pages_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cloud-sessions/sessions/server/pages"
)

const policy = "default-src 'none'"

// compressed returns a file of a site.
func compressed(t *testing.T, content string) *fstest.MapFile {
	t.Helper()
	var stored bytes.Buffer
	w := gzip.NewWriter(&stored)
	_, _ = io.WriteString(w, content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: stored.Bytes()}
}

// ask sends a request to a handler; header are names and values in turn.
func ask(handler http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestSite(t *testing.T) {
	t.Parallel()
	site := pages.NewSite(fstest.MapFS{
		"dist/index.html.gz": compressed(t, "<p>hello</p>"),
		"dist/a/app.js.gz":   compressed(t, "run()"),
		"secret.txt.gz":      compressed(t, "not below dist"),
	}, "dist", policy)

	plain := ask(site, "GET", "/")
	if plain.Code != 200 || plain.Body.String() != "<p>hello</p>" || plain.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %v %s", plain.Code, plain.Header(), plain.Body)
	}
	zipped := ask(site, "GET", "/index.html", "Accept-Encoding", "br, gzip;q=0.5")
	content, err := gzip.NewReader(zipped.Body)
	if err != nil || zipped.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v %v", err, zipped.Header())
	}
	if text, err := io.ReadAll(content); err != nil || string(text) != "<p>hello</p>" {
		t.Errorf("%q %v", text, err)
	}
	if plain.Header().Get("ETag") == zipped.Header().Get("ETag") || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("a cache confuses the encodings: %v %v", plain.Header(), zipped.Header())
	}
	again := ask(site, "GET", "/", "Accept-Encoding", "gzip", "If-None-Match", `"x", `+zipped.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("%d %s", again.Code, again.Body)
	}
	tag := plain.Header().Get("ETag")
	for match, want := range map[string]int{
		"*": 304, "W/" + tag: 304, `"a,b",W/"x" , ` + tag: 304, strings.Trim(tag, `"`): 200, `"x` + tag[1:]: 200, `"x` + tag: 200, tag + `"`: 200, zipped.Header().Get("ETag"): 200, "": 200,
	} {
		if got := ask(site, "GET", "/", "If-None-Match", match); got.Code != want {
			t.Errorf("If-None-Match: %s: %d", match, got.Code)
		}
	}
	if got := ask(site, "GET", "/", "Accept-Encoding", "gzip;q=0"); got.Header().Get("Content-Encoding") != "" {
		t.Errorf("gzip was refused: %v", got.Header())
	}
	if got := ask(site, "HEAD", "/a/app.js"); got.Code != 200 || got.Body.Len() > 0 || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
	}
	if got := ask(site, "POST", "/"); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	for _, path := range []string{"/none.html", "/a", "/a/", "/../secret.txt", "/index.html.gz"} {
		if got := ask(site, "GET", path); got.Code != http.StatusNotFound || got.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d %v", path, got.Code, got.Header())
		}
	}
}

// A folder with a file that cannot be served fails, rather than serve the rest of a page.
func TestASiteThatCannotBeServed(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]fstest.MapFS{
		"not compressed": {"dist/index.html": &fstest.MapFile{Data: []byte("<p>")}},
		"unknown type":   {"dist/index.exe.gz": compressed(t, "")},
		"not gzip":       {"dist/index.html.gz": &fstest.MapFile{Data: []byte("<p>")}},
	} {
		if got := ask(pages.NewSite(folder, "dist", policy), "GET", "/"); got.Code != http.StatusInternalServerError {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
}
