package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// plainly sends a request as the harness's caller, with a value of Accept-Encoding, and returns the response as it was sent.
func (h *harness) plainly(method, path, body, accept string, header ...string) answer {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, h.web.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+aliceToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header["Accept-Encoding"] = []string{accept}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := h.web.Client().Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, data}
}

func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestLargeResponsesAreCompressed(t *testing.T) {
	h := start(t)
	body := `{"name":"large","model":"ultimate","system":"` + strings.Repeat("x", 50_000) + `"}`
	id := h.mustCreate("/agents", body)
	path := "/v1/agents/" + id
	plain := h.plainly("GET", path, "", "identity")
	if plain.header.Get("Content-Encoding") != "" || plain.header.Get("Vary") != "Accept-Encoding" || len(plain.body) < 50_000 {
		t.Errorf("identity: %v, %d bytes", plain.header, len(plain.body))
	}
	packed := h.plainly("GET", path, "", "gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" ||
		packed.header.Get("Content-Length") != strconv.Itoa(len(packed.body)) || len(packed.body) > 5_000 {
		t.Errorf("gzip: %v, %d bytes", packed.header, len(packed.body))
	}
	if !bytes.Equal(unzipped(t, packed.body), plain.body) {
		t.Error("the bodies differ")
	}
	if head := h.plainly("HEAD", path, "", "gzip"); head.header.Get("Content-Length") != packed.header.Get("Content-Length") || head.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("HEAD: %v", head.header)
	}
	if small := h.plainly("GET", "/v1/agents?limit=1&order=asc", "", "gzip"); small.header.Get("Content-Encoding") != "" || small.header.Get("Vary") != "" || len(small.body) > 1400 {
		t.Errorf("a small one: %v, %d bytes", small.header, len(small.body))
	}
	// What is recorded for a key is not compressed: a caller that does not accept it can repeat the request.
	created := h.plainly("POST", "/v1/agents", body, "gzip", "Idempotency-Key", "one")
	repeated := h.plainly("POST", "/v1/agents", body, "identity", "Idempotency-Key", "one")
	if created.header.Get("Content-Encoding") != "gzip" || !bytes.Equal(unzipped(t, created.body), repeated.body) || repeated.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%v, then %v", created.header, repeated.header)
	}
}

// TestDocumentsHaveEntityTags asks for the contract, and again whether it has changed.
func TestDocumentsHaveEntityTags(t *testing.T) {
	h := start(t)
	for path, media := range map[string]string{
		"/openapi.json": "application/json", "/openapi.yaml": "application/yaml", "/openapi-3.2.json": "application/json",
	} {
		plain, packed := h.plainly("GET", path, "", "identity"), h.plainly("GET", path, "", "gzip")
		if packed.header.Get("Content-Encoding") != "gzip" || 3*len(packed.body) > len(plain.body) || !bytes.Equal(unzipped(t, packed.body), plain.body) {
			t.Errorf("%s: %v, %d of %d bytes", path, packed.header, len(packed.body), len(plain.body))
		}
		if plain.header.Get("ETag") == packed.header.Get("ETag") {
			t.Errorf("%s: one entity tag for both codings", path)
		}
		for accept, got := range map[string]answer{"identity": plain, "gzip": packed} {
			if got.status != 200 || got.header.Get("Content-Type") != media || got.header.Get("Vary") != "Accept-Encoding" || got.header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s %s: %d %v", path, accept, got.status, got.header)
			}
			again := h.plainly("GET", path, "", accept, "If-None-Match", got.header.Get("ETag"))
			if again.status != http.StatusNotModified || len(again.body) > 0 {
				t.Errorf("%s %s: again: %d, %d bytes", path, accept, again.status, len(again.body))
			}
			if changed := h.plainly("GET", path, "", accept, "If-None-Match", `"other"`); changed.status != 200 {
				t.Errorf("%s %s: changed: %d", path, accept, changed.status)
			}
		}
	}
}
