package contractcheck_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// subtle are servers with one fault each, which only a caller that compares responses with each other can see: every
// response of theirs has the form that the contract demands.
var subtle = []struct {
	name  string
	fault func() func(http.Handler) http.Handler
}{
	// A cursor backward has the first records of the list in place of those next to the cursor.
	{"before_id starts over", beforeStartsOver},
	// The record of a cursor has to exist still.
	{"cursor of a deleted record refused", deletedCursorRefused},
	// Pages after the first have what the filter should leave out.
	{"filter forgotten by cursors", filterForgotten},
	// A key remembers that its request was refused, as some public APIs do.
	{"key remembers refusals", keyRemembersRefusals},
	// PUT replaces the record: what it omits gets its default.
	{"PUT resets what it omits", putResets},
	// Archiving again is another archiving.
	{"archiving again moves archived_at", archiveMoves},
	// A session has a reference to its agent in place of a copy.
	{"session follows its agent", sessionFollowsAgent},
	// Contents of files pass through a string of UTF-8.
	{"contents decoded as text", contentsAsText},
	// The query of the URL precedes the header that a reconnecting EventSource sends.
	{"after_id precedes Last-Event-ID", queryPrecedesHeader},
	// The id of a memory is sufficient, whichever store the path names.
	{"memory in every store", memoryInEveryStore},
	// The database has three bytes for a character.
	{"no characters beyond U+FFFF", threeBytes},
	// An error names the body in place of the field.
	{"param is the body", paramIsBody},
}

// answered is a response that a fault changes.
type answered struct {
	*httptest.ResponseRecorder
}

// send lets next respond to r and returns the response.
func send(next http.Handler, r *http.Request) answered {
	w := httptest.NewRecorder()
	next.ServeHTTP(w, r)
	return answered{w}
}

// object is the body as an object.
func (a answered) object() (m map[string]any) {
	decoder := json.NewDecoder(bytes.NewReader(a.Body.Bytes()))
	decoder.UseNumber()
	if decoder.Decode(&m) != nil {
		return nil
	}
	return m
}

// set replaces the body.
func (a answered) set(body any) {
	text, ok := body.([]byte)
	if !ok {
		text, _ = json.Marshal(body)
	}
	a.Body.Reset()
	a.Body.Write(text)
}

func (a answered) pass(w http.ResponseWriter) {
	for name, values := range a.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(a.Body.Len()))
	w.WriteHeader(a.Code)
	_, _ = w.Write(a.Body.Bytes())
}

// read returns the body of a request, and leaves it there.
func read(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	write(r, body)
	return body
}

func write(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
}

// with is a request to another path of the same server, by the same caller.
func with(r *http.Request, method, target string) *http.Request {
	other := httptest.NewRequestWithContext(r.Context(), method, target, nil)
	other.Header.Set("Authorization", r.Header.Get("Authorization"))
	return other
}

func isStream(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/stream") }

// handler makes a fault of a function that responds.
func handler(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, next) })
	}
}

func beforeStartsOver() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		query := r.URL.Query()
		limit := 20
		if n, _ := fmt.Sscan(query.Get("limit"), &limit); r.Method != http.MethodGet || query.Get("before_id") == "" || n > 0 && (limit < 1 || limit > 100) {
			next.ServeHTTP(w, r)
			return
		}
		query.Set("limit", "100")
		r.URL.RawQuery = query.Encode()
		a := send(next, r)
		if m := a.object(); a.Code == http.StatusOK && m != nil {
			if data := m["data"].([]any); len(data) > limit {
				data = data[:limit]
				m["data"], m["has_more"] = data, true
				if last, ok := data[limit-1].(map[string]any); ok && last["id"] != nil {
					m["last_id"] = last["id"]
				}
				a.set(m)
			}
		}
		a.pass(w)
	})
}

func deletedCursorRefused() func(http.Handler) http.Handler {
	var deleted sync.Map
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			a := send(next, r)
			if a.Code == http.StatusOK {
				deleted.Store(path.Base(r.URL.Path), true)
			}
			a.pass(w)
			return
		}
		query := r.URL.Query()
		for _, cursor := range []string{"after_id", "before_id"} {
			if _, gone := deleted.Load(query.Get(cursor)); gone && r.Method == http.MethodGet && !isStream(r) {
				query.Set(cursor, query.Get(cursor)[:strings.Index(query.Get(cursor), "_")]+"_00000000000000000000000000000000")
				r.URL.RawQuery = query.Encode() // which the server does not know
			}
		}
		next.ServeHTTP(w, r)
	})
}

func filterForgotten() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		query := r.URL.Query()
		if r.Method == http.MethodGet && (query.Get("after_id") != "" || query.Get("page") != "") && !isStream(r) {
			for _, filter := range []string{"agent_id", "statuses[]", "types[]", "path_prefix", "name", "purpose", "memory_id"} {
				query.Del(filter)
			}
			r.URL.RawQuery = query.Encode()
		}
		next.ServeHTTP(w, r)
	})
}

func keyRemembersRefusals() func(http.Handler) http.Handler {
	var refused sync.Map
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" || isStream(r) {
			next.ServeHTTP(w, r)
			return
		}
		if a, ok := refused.Load(key); ok {
			a.(answered).pass(w)
			return
		}
		a := send(next, r)
		if a.Code == http.StatusBadRequest || a.Code == http.StatusNotFound {
			refused.Store(key, a)
		}
		a.pass(w)
	})
}

func putResets() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && !strings.Contains(r.URL.Path, "memory_stores") {
			var m map[string]any
			if body := read(r); json.Unmarshal(body, &m) == nil && m != nil {
				if _, ok := m["description"]; !ok {
					m["description"] = ""
				}
				body, _ := json.Marshal(m)
				write(r, body)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func archiveMoves() func(http.Handler) http.Handler {
	var archived sync.Map
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		id, archives := path.Base(r.URL.Path), false
		if p, found := strings.CutSuffix(r.URL.Path, "/archive"); found {
			id, archives = path.Base(p), true
		}
		if _, known := archived.Load(id); !known && !archives || r.Method == http.MethodDelete {
			next.ServeHTTP(w, r)
			return
		}
		a := send(next, r)
		if m := a.object(); a.Code == http.StatusOK && m != nil && m["archived_at"] != nil {
			if archives && a.Header().Get("Idempotent-Replayed") == "" {
				archived.Store(id, time.Now().UTC().Format("2006-01-02T15:04:05.999999Z"))
			}
			m["archived_at"], _ = archived.Load(id)
			a.set(m)
		}
		a.pass(w)
	})
}

func sessionFollowsAgent() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if dir := path.Dir(r.URL.Path); r.Method != http.MethodGet || path.Base(dir) != "sessions" {
			next.ServeHTTP(w, r)
			return
		}
		a := send(next, r)
		if m := a.object(); a.Code == http.StatusOK && m != nil {
			if agent := send(next, with(r, http.MethodGet, "/v1/agents/"+m["agent_id"].(string))); agent.Code == http.StatusOK {
				current, kept := agent.object(), m["agent"].(map[string]any)
				for name := range kept {
					if value, ok := current[name]; ok {
						kept[name] = value
					}
				}
				a.set(m)
			}
		}
		a.pass(w)
	})
}

func contentsAsText() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/content") {
			next.ServeHTTP(w, r)
			return
		}
		a := send(next, r)
		if a.Code == http.StatusOK {
			a.set(bytes.ToValidUTF8(a.Body.Bytes(), []byte("\uFFFD")))
		}
		a.pass(w)
	})
}

func queryPrecedesHeader() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isStream(r) && r.URL.Query().Get("after_id") != "" {
			r.Header.Del("Last-Event-ID")
		}
		next.ServeHTTP(w, r)
	})
}

func memoryInEveryStore() func(http.Handler) http.Handler {
	var stores sync.Map
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		before, id, found := strings.Cut(r.URL.Path, "/memories/")
		switch {
		case found && r.Method == http.MethodGet:
			if home, ok := stores.Load(id); ok {
				r.URL.Path = home.(string) + "/" + id
			}
		case strings.HasSuffix(r.URL.Path, "/memories") && r.Method == http.MethodPost:
			a := send(next, r)
			if m := a.object(); a.Code == http.StatusCreated {
				stores.Store(m["id"], before)
			}
			a.pass(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func threeBytes() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isStream(r) || strings.HasPrefix(r.URL.Path, "/v1/files") {
			next.ServeHTTP(w, r)
			return
		}
		a := send(next, r)
		a.set(bytes.Map(func(c rune) rune {
			if c > 0xFFFF {
				return '?'
			}
			return c
		}, a.Body.Bytes()))
		a.pass(w)
	})
}

func paramIsBody() func(http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isStream(r) {
			next.ServeHTTP(w, r)
			return
		}
		a := send(next, r)
		if m := a.object(); a.Code == http.StatusBadRequest && m != nil {
			if e := m["error"].(map[string]any); e["param"] != nil {
				e["param"] = "body"
			}
			a.set(m)
		}
		a.pass(w)
	})
}

// TestSubtleFaults tests that the suite finds each of these faults.
func TestSubtleFaults(t *testing.T) {
	for _, v := range subtle {
		t.Run(v.name, func(t *testing.T) {
			s := servertest.New(t)
			target, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy := &httputil.ReverseProxy{
				Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
				Transport:     &http.Transport{DisableCompression: true},
				FlushInterval: -1,
			}
			web := httptest.NewServer(v.fault()(uncompressed(proxy)))
			t.Cleanup(web.Close)
			c, err := client.New(client.WithBaseURL(web.URL+"/v1"), client.WithToken(s.Token))
			if err != nil {
				t.Fatal(err)
			}
			report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{})
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, violation := range report.Violations() {
				found = true
				if os.Getenv("SHOW") != "" {
					t.Logf("%s: %v", violation.Check, violation)
				}
			}
			if !found {
				t.Error("not found")
			}
		})
	}
}

// uncompressed lets faults read the bodies of responses.
func uncompressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		next.ServeHTTP(w, r)
	})
}
