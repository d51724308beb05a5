package contractcheck_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// variant is this module's server with one thing broken on purpose, and the check that must report it for the operation.
type variant struct {
	name             string
	check, operation string
	with             []string // other checks that send what shows the violation
	breaks           wrapper
}

// wrapper stands between the suite and the server.
type wrapper func(next client.RoundTripFunc) client.RoundTripFunc

// variants has at least one variant for each kind of rule that a check proves.
func variants() []variant {
	return []variant{
		{"a field is missing", "responses", "getSession", nil, responses("getSession", field(func(v map[string]any) { delete(v, "usage") }))},
		{"a record in a list has a number as text", "responses", "listAgents", nil, responses("listAgents", record(func(v map[string]any) { v["version"] = "2" }))},
		{"a field that the contract does not have", "responses", "getEnvironment", nil, responses("getEnvironment", field(func(v map[string]any) { v["region"] = "eu" }))},
		{"an undeclared status of a success", "responses", "createAgent", nil, responses("createAgent", status(201, 200))},
		{"a page of HTML", "responses", "listModels", nil, responses("listModels", body("<html>", "text/html"))},
		{"no request id", "responses", "getAgent", nil, responses("getAgent", func(r *http.Response) { r.Header.Del("X-Request-Id") })},
		{"an error without its envelope", "responses", "getAgent", []string{"unknown-ids"}, responses("getAgent", failure(404, `{"error":"no such agent"}`))},
		{"an event with another name", "responses", "streamEvents", nil, responses("streamEvents", lines("event: agent.message", "event: message"))},

		{"a documented request is refused", "examples", "createSession", nil, requests("createSession", inBody(`"metadata":`, `"meta":`))},
		{"a documented parameter is refused", "examples", "listSessions", nil, requests("listSessions", func(r *http.Request) { rename(r, "statuses[]", "limit") })},

		{"an unknown id is found", "unknown-ids", "getMemoryStore", nil, responses("getMemoryStore", only(404, becomes(200, `{"id":"memstore_0"}`)))},
		{"an unknown id is forbidden", "unknown-ids", "updateVault", nil, responses("updateVault", only(404, becomes(403, envelope("permission_error"))))},
		{"a malformed id is not found", "malformed-ids", "getSession", nil, responses("getSession", only(400, becomes(404, envelope("not_found_error"))))},

		{"requests without a token are served", "authentication", "listVaults", nil, unauthenticated("listVaults", "")},
		{"any token is served", "authentication", "createEnvironment", nil, unauthenticated("createEnvironment", "Bearer ")},

		{"unknown fields are ignored", "invalid-bodies", "createMemoryStore", nil, requests("createMemoryStore", onlyFields("name", "description", "metadata"))},
		{"a number out of range is clamped", "invalid-bodies", "createSession", nil, requests("createSession", inBody(`"delta_flush_interval_ms":[0-9]+`, `"delta_flush_interval_ms":100`))},
		{"a long text is cut", "invalid-bodies", "updateSession", nil, requests("updateSession", inBody(`x{200,}`, `x`))},
		{"an invalid body is a 422", "invalid-bodies", "createVault", nil, responses("createVault", status(400, 422))},
		{"the limit is clamped", "invalid-parameters", "listFiles", nil, requests("listFiles", inQuery("limit", "20"))},
		{"an unknown order is ignored", "invalid-parameters", "listAgentVersions", nil, requests("listAgentVersions", inQuery("order", "desc"))},
		{"bytes after the JSON are ignored", "invalid-json", "createAgent", nil, requests("createAgent", firstValue)},
		{"a field that occurs twice is accepted", "invalid-json", "updateAgent", nil, requests("updateAgent", decoded)},
		{"any content type is accepted", "content-type", "createVault", nil, requests("createVault", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })},
		{"an encoding is ignored", "content-type", "createMemory", nil, requests("createMemory", func(r *http.Request) { r.Header.Del("Content-Encoding") })},
		{"a refused request has an effect", "no-effect", "createVault", []string{"invalid-bodies"}, alsoCreates("createVault", `{"display_name":"surprise"}`)},

		{"the type of an error is not that of its status", "error-envelope", "getFile", []string{"unknown-ids"}, responses("getFile", only(404, becomes(404, envelope("invalid_request_error"))))},
		{"the request id in an error is another one", "error-envelope", "getVault", []string{"unknown-ids"}, responses("getVault", inResponse(`"request_id":"[^"]*"`, `"request_id":"req_other"`))},
		{"an error does not name the field", "error-envelope", "createAgent", []string{"invalid-bodies"}, responses("createAgent", inResponse(`,"param":"[^"]*"`, ``))},
		{"a caller's request id is replaced", "request-ids", "listEnvironments", nil, requests("listEnvironments", func(r *http.Request) { r.Header.Del("X-Request-Id") })},
		{"HEAD is not served", "head", "getAgent", nil, responses("getAgent", func(r *http.Response) {
			if r.Request.Method == http.MethodHead {
				r.StatusCode = 405
			}
		})},
		{"a wrong method is not found", "methods", "listModels", nil, anyResponse(only(405, becomes(404, envelope("not_found_error"))))},

		{"a field is not stored", "round-trip", "createSession", nil, requests("createSession", inBody(`"title":"[^"]*"`, `"title":"other"`))},
		{"an update is not stored", "round-trip", "updateMemoryStore", nil, responses("getMemoryStore", field(func(v map[string]any) { v["description"] = "as it was" }))},
		{"a list shows another state", "round-trip", "createAgent", nil, responses("listAgents", records(func(v map[string]any) { v["name"] = "other" }))},
		{"keys are ignored", "idempotency", "createAgent", nil, requests("createAgent", withoutKey)},
		{"keys of messages are ignored", "idempotency", "sendEvents", nil, requests("sendEvents", withoutKey)},
		{"a key returns its response whatever the request", "idempotency", "createEnvironment", nil, replays("createEnvironment", 299)},
		{"a key remembers refusals", "idempotency", "createMemoryStore", nil, replays("createMemoryStore", 499)},
		{"a stale version is accepted", "preconditions", "updateAgent", nil, freshVersion},

		{"a record is lost between pages", "paging", "listAgents", nil, responses("listAgents", laterPage(func(data []any) []any { return data[1:] }))},
		{"records move when one is inserted", "paging", "listSessions", nil, offsets("listSessions")},
		{"the last page is said to be the last too early", "paging", "listVaults", nil, responses("listVaults", field(func(v map[string]any) { v["has_more"] = false; v["next_page"] = nil }))},
		{"pages are longer than their limit", "paging", "listFiles", nil, requests("listFiles", inQuery("limit", "20"))},
		{"the order is ignored", "order", "listEnvironments", nil, requests("listEnvironments", without("order"))},
		{"a filter is ignored", "filters", "listSessions", nil, requests("listSessions", without("agent_id"))},
		{"a filter by time is ignored", "filters", "listMemoryStores", nil, requests("listMemoryStores", without("created_at[lte]"))},
		{"a filter omits what matches", "filters", "listEvents", nil, responses("listEvents", filtered("types[]", func(data []any) []any { return data[1:] }))},

		{"the archived stay in the list", "archives", "archiveAgent", nil, requests("listAgents", inQuery("include_archived", "true"))},
		{"the archived can be changed", "archives", "archiveVault", nil, responses("updateVault", only(409, becomes(200, `{}`)))},
		{"the deleted can be read", "deletions", "deleteMemoryStore", nil, remembers("getMemoryStore")},
		{"a deletion can be repeated", "deletions", "deleteFile", nil, responses("deleteFile", only(404, becomes(200, `{"id":"file_0","type":"file_deleted"}`)))},
		{"an action cannot be repeated", "repeats", "archiveAgent", nil, secondTime("archiveAgent", becomes(404, envelope("not_found_error")))},
		{"an update changes more than it names", "updates", "updateMemoryStore", nil, requests("updateMemoryStore", func(r *http.Request) {
			inBody(`"metadata":`, `"name":"`+rand.Text()+`","metadata":`)(r)
		})},
		{"a worker's key opens the account", "scopes", "createEnvironmentKey", nil, unauthenticated("listAgents", "Bearer ")},
		{"unknown parameters are refused", "extras", "getAgent", nil, responses("getAgent", func(r *http.Response) {
			if r.Request.URL.Query().Has("beta") {
				becomes(400, envelope("invalid_request_error"))(r)
			}
		})},
		{"one name of the key is ignored", "idempotency", "createVault", nil, requests("createVault", func(r *http.Request) { r.Header.Del("X-Idempotency-Key") })},
		{"a message is changed", "turns", "streamEvents", nil, requests("sendEvents", inBody(`你好`, `hello`))},
		{"a deleted cursor is unknown", "paging", "listMemoryStores", nil, deletedCursors("memory_stores")},
		{"a secret is in a response", "secrets", "createVaultCredential", nil, leaks("createVaultCredential")},
		{"contents change", "contents", "getFileContent", nil, responses("getFileContent", text(func(content string) string { return strings.ToUpper(content) }))},

		{"a turn ends twice", "turns", "streamEvents", nil, responses("streamEvents", frames(func(f string) string {
			if strings.Contains(f, "event: session.status_idle") {
				return f + regexp.MustCompile(`evt_[0-9a-z]+`).ReplaceAllString(f, "evt_0")
			}
			return f
		}))},
		{"the stream omits an event that the log has", "stream-history", "streamEvents", nil, responses("streamEvents", frames(func(f string) string {
			if strings.Contains(f, "event: span.model_request_start") {
				return ""
			}
			return f
		}))},
		{"a resumed stream repeats the last event", "stream-resume", "streamEvents", nil, resumes(func(ids []string, at int) int { return at - 1 })},
		{"a resumed stream omits an event", "stream-resume", "streamEvents", nil, resumes(func(ids []string, at int) int { return min(at+1, len(ids)-1) })},
		{"a stream starts anew whatever the cursor", "stream-resume", "streamEvents", nil, resumes(func([]string, int) int { return -1 })},
		// Faults that only a comparison of responses shows: each response of these servers has the right form.
		{"a page before a record is the first page", "paging", "listVaults", nil, requests("listVaults", without("before_id"))},
		{"a cursor forgets the filter", "filters", "listEvents", nil, requests("listEvents", func(r *http.Request) {
			if r.URL.Query().Has("after_id") {
				without("types[]")(r)
			}
		})},
		{"a page forgets the filter", "filters", "listEvents", nil, requests("listEvents", func(r *http.Request) {
			if r.URL.Query().Has("page") {
				without("types[]")(r)
			}
		})},
		{"PUT resets what it omits", "updates", "putEnvironment", nil, requests("putEnvironment", func(r *http.Request) {
			if !bytes.Contains(sentBody(r), []byte(`"description"`)) {
				inBody(`^\{"`, `{"description":"","`)(r)
			}
		})},
		{"archiving again is another archiving", "repeats", "archiveVault", nil, archivesAgain("getVault")},
		{"a session follows its agent", "round-trip", "createSession", nil, responses("getSession", field(func(v map[string]any) {
			v["agent"].(map[string]any)["instructions"] = "as they are now"
		}))},
		{"contents pass through text", "contents", "getFileContent", nil, responses("getFileContent", text(func(content string) string {
			return strings.ToValidUTF8(content, "\uFFFD")
		}))},
		{"the query precedes Last-Event-ID", "stream-resume", "streamEvents", nil, requests("streamEvents", func(r *http.Request) {
			if r.URL.Query().Has("after_id") {
				r.Header.Del("Last-Event-ID")
			}
		})},
		{"a record is found below another parent", "unknown-ids", "getMemory", nil, anyParent},
		{"a character has three bytes", "texts", "updateMemoryStore", nil, responses("updateMemoryStore", inResponse("[\U00010000-\U0010FFFF]", "?"))},
		{"param is the body", "error-envelope", "createVault", []string{"invalid-bodies"}, responses("createVault", inResponse(`"param":"[^"]*"`, `"param":"body"`))},

		{"increments come without being requested", "stream-increments", "streamEvents", nil, requests("streamEvents", inQuery("event_deltas[]", "agent.message"))},
	}
}

// TestVariantsAreComplete tests that the table names operations of the contract, and each variant once.
func TestVariantsAreComplete(t *testing.T) {
	t.Parallel()
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, v := range variants() {
		if names[v.name] || compiled.Operation(v.operation) == nil {
			t.Errorf("%s: named twice, or no operation %s", v.name, v.operation)
		}
		names[v.name] = true
	}
	if len(names) < 30 {
		t.Errorf("%d variants", len(names))
	}
}

// TestEveryVariantIsFound tests that each violation is found by the check that it is for, in the operation that has it.
func TestEveryVariantIsFound(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t, open)
			broken := &http.Client{Transport: v.breaks(http.DefaultTransport.RoundTrip)}
			report, err := contractcheck.Run(t.Context(), s.Client(client.WithHTTPClient(broken)), contractcheck.Options{Only: append(v.with, v.operation, v.check)})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Violations(), func(found *contractcheck.Violation) bool {
				return found.Check == v.check && found.Operation == v.operation
			}) {
				t.Errorf("want a violation of %s by %s, got %v", v.check, v.operation, report.Violations())
			}
		})
	}
}

// operationOf returns the operationId of a request; HEAD is that of GET.
func operationOf(r *http.Request) string {
	compiled, err := contract.Load()
	if err != nil {
		return err.Error()
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, _ := compiled.Find(method, strings.TrimPrefix(r.URL.EscapedPath(), "/v1"))
	if op == nil {
		return ""
	}
	return op.ID
}

// at changes the exchanges of an operation.
func at(operation string, exchange func(r *http.Request, next client.RoundTripFunc) (*http.Response, error)) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(r *http.Request) (*http.Response, error) {
			if operationOf(r) != operation {
				return next(r)
			}
			return exchange(r, next)
		}
	}
}

// responses changes the responses of an operation.
func responses(operation string, change func(*http.Response)) wrapper {
	return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		resp, err := next(r)
		if err == nil {
			change(resp)
		}
		return resp, err
	})
}

// anyResponse changes all responses.
func anyResponse(change func(*http.Response)) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(r *http.Request) (*http.Response, error) {
			resp, err := next(r)
			if err == nil {
				change(resp)
			}
			return resp, err
		}
	}
}

// requests changes the requests of an operation.
func requests(operation string, change func(*http.Request)) wrapper {
	return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		change(r)
		return next(r)
	})
}

// status replaces one status by another.
func status(old, new int) func(*http.Response) {
	return func(r *http.Response) {
		if r.StatusCode == old {
			r.StatusCode = new
		}
	}
}

// only changes responses of one status.
func only(status int, change func(*http.Response)) func(*http.Response) {
	return func(r *http.Response) {
		if r.StatusCode == status {
			change(r)
		}
	}
}

// inResponse replaces text in the bodies of all responses.
func inResponse(pattern, replacement string) func(*http.Response) {
	old := regexp.MustCompile(pattern)
	return func(r *http.Response) {
		content, _ := io.ReadAll(r.Body)
		set(r, old.ReplaceAllString(string(content), replacement))
	}
}

// records changes all records of lists.
func records(change func(map[string]any)) func(*http.Response) {
	return field(func(v map[string]any) {
		for _, rec := range v["data"].([]any) {
			change(rec.(map[string]any))
		}
	})
}

// sentBody reads the body of a request and leaves it in place.
func sentBody(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	content, _ := io.ReadAll(r.Body)
	setSent(r, content)
	return content
}

func setSent(r *http.Request, content []byte) {
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader(content)), int64(len(content)), nil
}

// inBody replaces text in the bodies of requests.
func inBody(pattern, replacement string) func(*http.Request) {
	old := regexp.MustCompile(pattern)
	return func(r *http.Request) {
		if content := sentBody(r); content != nil {
			setSent(r, old.ReplaceAll(content, []byte(replacement)))
		}
	}
}

// onlyFields drops other fields from the bodies of requests.
func onlyFields(names ...string) func(*http.Request) {
	return func(r *http.Request) {
		var v map[string]json.RawMessage
		if json.Unmarshal(sentBody(r), &v) != nil {
			return
		}
		for name := range v {
			if !slices.Contains(names, name) {
				delete(v, name)
			}
		}
		kept, _ := json.Marshal(v)
		setSent(r, kept)
	}
}

// firstValue drops what follows the first value in the body of a request.
func firstValue(r *http.Request) {
	var v json.RawMessage
	if json.NewDecoder(bytes.NewReader(sentBody(r))).Decode(&v) == nil {
		setSent(r, v)
	}
}

// decoded decodes and encodes the body of a request, as lenient servers do.
func decoded(r *http.Request) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(sentBody(r)))
	decoder.UseNumber()
	if decoder.Decode(&v) == nil {
		again, _ := json.Marshal(v)
		setSent(r, again)
	}
}

// inQuery sets a parameter of requests.
func inQuery(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		query.Set(name, value)
		r.URL.RawQuery = query.Encode()
	}
}

// without drops a parameter.
func without(name string) func(*http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		query.Del(name)
		r.URL.RawQuery = query.Encode()
	}
}

// rename gives a parameter another name.
func rename(r *http.Request, old, new string) {
	query := r.URL.Query()
	if query.Has(old) {
		query.Set(new, query.Get(old))
		query.Del(old)
		r.URL.RawQuery = query.Encode()
	}
}

func withoutKey(r *http.Request) {
	r.Header.Del("Idempotency-Key")
	r.Header.Del("X-Idempotency-Key")
}

// unauthenticated serves requests of an operation whose Authorization begins with prefix with the token of others.
func unauthenticated(operation, prefix string) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		var mu sync.Mutex
		token := ""
		return func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			sent := r.Header.Get("Authorization")
			switch {
			case token == "":
				token = sent
			case operationOf(r) == operation && (prefix == "" && sent == "" || prefix != "" && strings.HasPrefix(sent, prefix)):
				r.Header.Set("Authorization", token)
			}
			return next(r)
		}
	}
}

// alsoCreates creates something with every refused request.
func alsoCreates(operation, content string) wrapper {
	return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		resp, err := next(r)
		if err != nil || resp.StatusCode != 400 {
			return resp, err
		}
		again := r.Clone(r.Context())
		again.Header.Set("Content-Type", "application/json")
		withoutKey(again)
		setSent(again, []byte(content))
		if second, err := next(again); err == nil {
			_ = second.Body.Close()
		}
		return resp, nil
	})
}

// replays returns the first response up to a status to every request with the same key, whatever the request is.
func replays(operation string, most int) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		type recorded struct {
			status int
			header http.Header
			body   string
		}
		var mu sync.Mutex
		known := map[string]recorded{}
		return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			key := r.Header.Get("Idempotency-Key")
			if first, ok := known[key]; ok {
				resp := &http.Response{StatusCode: first.status, Header: first.header.Clone(), Request: r, Body: http.NoBody}
				resp.Header.Set("Idempotent-Replayed", "true")
				set(resp, first.body)
				return resp, nil
			}
			resp, err := next(r)
			if err == nil && resp.StatusCode <= most && key != "" {
				content, _ := io.ReadAll(resp.Body)
				set(resp, string(content))
				known[key] = recorded{resp.StatusCode, resp.Header.Clone(), string(content)}
			}
			return resp, err
		})(next)
	}
}

// freshVersion replaces the version of an update that was refused for it.
func freshVersion(next client.RoundTripFunc) client.RoundTripFunc {
	return at("updateAgent", func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		content := sentBody(r)
		resp, err := next(r)
		for version := 1; version < 9 && err == nil && resp.StatusCode == 409; version++ {
			again := r.Clone(r.Context())
			withoutKey(again)
			setSent(again, regexp.MustCompile(`"version":[0-9]+`).ReplaceAll(content, fmt.Appendf(nil, `"version":%d`, version)))
			_ = resp.Body.Close()
			resp, err = next(again)
		}
		return resp, err
	})(next)
}

// laterPage changes the records of pages that follow others.
func laterPage(change func([]any) []any) func(*http.Response) {
	return func(r *http.Response) {
		query := r.Request.URL.Query()
		if !query.Has("after_id") && !query.Has("page") {
			return
		}
		field(func(v map[string]any) {
			if data := v["data"].([]any); len(data) > 1 {
				v["data"] = change(data)
				v["first_id"] = v["data"].([]any)[0].(map[string]any)["id"]
			}
		})(r)
	}
}

// secondTime changes the successes of an operation except the first.
func secondTime(operation string, change func(*http.Response)) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		var mu sync.Mutex
		n := map[string]int{}
		return responses(operation, func(r *http.Response) {
			mu.Lock()
			defer mu.Unlock()
			if n[r.Request.URL.Path]++; r.StatusCode == 200 && n[r.Request.URL.Path] > 1 {
				change(r)
			}
		})(next)
	}
}

// deletedCursors refuses the ids of what was deleted as cursors.
func deletedCursors(collection string) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		var mu sync.Mutex
		deleted := map[string]bool{}
		return func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			resp, err := next(r)
			if err == nil && r.Method == http.MethodDelete && strings.Contains(r.URL.Path, collection) {
				deleted[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]] = true
			}
			if err == nil && deleted[r.URL.Query().Get("after_id")] {
				becomes(400, envelope("invalid_request_error"))(resp)
			}
			return resp, err
		}
	}
}

// filtered changes the records of lists that a parameter filters.
func filtered(parameter string, change func([]any) []any) func(*http.Response) {
	return func(r *http.Response) {
		if !r.Request.URL.Query().Has(parameter) {
			return
		}
		field(func(v map[string]any) {
			if data := v["data"].([]any); len(data) > 1 {
				v["data"] = change(data)
				v["first_id"] = v["data"].([]any)[0].(map[string]any)["id"]
			}
		})(r)
	}
}

// offsets pages by the number of records that were sent before, as lists with an OFFSET do.
func offsets(operation string) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		var mu sync.Mutex
		sent := map[string]int{} // how many records precede what follows an id
		return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			query := r.URL.Query()
			cursor := query.Get("after_id") + query.Get("page")
			skip, known := sent[cursor]
			if known {
				query.Del("after_id")
				query.Del("page")
				query.Del("limit")
				query.Set("limit", "100")
				r.URL.RawQuery = query.Encode()
			}
			limit := r.URL.Query().Get("limit")
			resp, err := next(r)
			if err != nil || resp.StatusCode != 200 {
				return resp, err
			}
			field(func(v map[string]any) {
				data := v["data"].([]any)
				if known {
					data = data[min(skip, len(data)):]
					v["has_more"] = len(data) > 2
					data = data[:min(2, len(data))]
					v["data"] = data
				}
				if len(data) > 0 && (limit == "2" || known) {
					last := data[len(data)-1].(map[string]any)["id"].(string)
					sent[last] = skip + len(data)
					v["first_id"], v["last_id"] = data[0].(map[string]any)["id"], last
					if v["has_more"] == true {
						v["next_page"] = last
					} else {
						v["next_page"] = nil
					}
				}
			})(resp)
			return resp, nil
		})(next)
	}
}

// remembers returns the last success of an operation instead of a 404.
func remembers(operation string) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		var mu sync.Mutex
		known := map[string]string{}
		return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
			resp, err := next(r)
			if err != nil {
				return resp, err
			}
			mu.Lock()
			defer mu.Unlock()
			content, _ := io.ReadAll(resp.Body)
			set(resp, string(content))
			if before, ok := known[r.URL.Path]; ok && resp.StatusCode == 404 {
				resp.StatusCode = 200
				set(resp, before)
			} else if resp.StatusCode == 200 {
				known[r.URL.Path] = string(content)
			}
			return resp, nil
		})(next)
	}
}

// leaks puts a token of a request into the display name of the response.
func leaks(operation string) wrapper {
	token := regexp.MustCompile(`"(?:token|access_token|secret_value)":"([^"]*)"`)
	return at(operation, func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		secret := token.FindSubmatch(sentBody(r))
		resp, err := next(r)
		if err == nil && secret != nil {
			field(func(v map[string]any) { v["metadata"] = map[string]any{"token": string(secret[1])} })(resp)
		}
		return resp, err
	})
}

// frames changes the frames of a stream as they come.
func frames(change func(frame string) string) func(*http.Response) {
	return func(r *http.Response) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			return
		}
		in, out := r.Body, (*io.PipeWriter)(nil)
		r.Body, out = io.Pipe()
		go func() {
			defer in.Close()
			frame, one := "", make([]byte, 1)
			for {
				_, err := in.Read(one)
				if err == nil {
					if frame += string(one); strings.HasSuffix(frame, "\n\n") {
						_, err = io.WriteString(out, change(frame))
						frame = ""
					}
				}
				if err != nil {
					_ = out.CloseWithError(err)
					return
				}
			}
		}()
	}
}

// resumes makes the stream resume after another event of the session; position -1 is the beginning.
func resumes(position func(ids []string, at int) int) wrapper {
	return at("streamEvents", func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		query := r.URL.Query()
		cursor := r.Header.Get("Last-Event-ID")
		if cursor == "" {
			cursor = query.Get("after_id")
		}
		list := r.Clone(r.Context())
		list.Method, list.Header = http.MethodGet, http.Header{"Authorization": r.Header["Authorization"]}
		list.URL.Path, list.URL.RawQuery = strings.TrimSuffix(r.URL.Path, "/stream"), url.Values{"limit": {"100"}, "order": {"asc"}}.Encode()
		resp, err := next(list)
		if cursor == "" || err != nil {
			return next(r)
		}
		defer resp.Body.Close()
		var page struct{ Data []struct{ ID string } }
		var ids []string
		_ = json.NewDecoder(resp.Body).Decode(&page)
		for _, event := range page.Data {
			ids = append(ids, event.ID)
		}
		known := slices.Index(ids, cursor)
		if known < 0 {
			return next(r)
		}
		r.Header.Del("Last-Event-ID")
		query.Del("after_id")
		if to := position(ids, known); to >= 0 {
			query.Set("after_id", ids[to])
		}
		r.URL.RawQuery = query.Encode()
		return next(r)
	})
}

// archivesAgain gives the record another archived_at each time it is read, as if it had been archived in between.
func archivesAgain(operation string) wrapper {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		var mu sync.Mutex
		n := 0
		return responses(operation, field(func(v map[string]any) {
			if v["archived_at"] != nil {
				mu.Lock()
				defer mu.Unlock()
				n++
				v["archived_at"] = fmt.Sprintf("2026-05-18T15:26:%02dZ", n%60)
			}
		}))(next)
	}
}

// anyParent reads a memory by its own id alone, if the store that the path names exists.
func anyParent(next client.RoundTripFunc) client.RoundTripFunc {
	var mu sync.Mutex
	home := map[string]string{} // the store of a memory
	created := responses("createMemory", field(func(v map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		if id, ok := v["id"].(string); ok {
			home[id] = v["memory_store_id"].(string)
		}
	}))(next)
	return at("getMemory", func(r *http.Request, next client.RoundTripFunc) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		store, id, _ := strings.Cut(r.URL.Path, "/memories/")
		exists := r.Clone(r.Context())
		exists.Method, exists.URL.Path = http.MethodGet, store
		resp, err := next(exists)
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
		if own := home[id]; own != "" && resp.StatusCode == http.StatusOK {
			r.URL.Path = store[:strings.LastIndexByte(store, '/')+1] + own + "/memories/" + id
		}
		return next(r)
	})(created)
}
