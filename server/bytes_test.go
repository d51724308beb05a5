package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
)

// The tests of this file prove that no caller can make the server hold more than its share of memory.

// smallBudget leaves each account 4 MiB.
func smallBudget(c *server.Config) { c.MaxBytesInFlight = 16 << 20 }

// inFlight returns how many bytes the server has reserved.
func (h *harness) inFlight() int {
	h.t.Helper()
	for line := range strings.Lines(string(h.do(request{method: "GET", path: "//metrics", token: "-"}).body)) {
		if value, ok := strings.CutPrefix(line, "sessions_bytes_in_flight "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return int(f)
		}
	}
	h.t.Fatal("there is no metric of the bytes in flight")
	return 0
}

// upload begins to send a body of that length and never ends; stop hangs up.
func (h *harness) upload(token string, length int) (stop func()) {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.web.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "POST /v1/sessions/sess_1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{", token, length)
	return func() { _ = conn.Close() }
}

// fill uses up an account's share.
func (h *harness) fill(token string) (stop func()) {
	h.t.Helper()
	before := h.inFlight()
	stops := []func(){h.upload(token, 32<<20), h.upload(token, 32<<20)}
	eventually(h.t, "the share is used up", func() bool { return h.inFlight() >= before+4<<20 })
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func TestEveryOperationIsRefusedBeyondTheAccountsShare(t *testing.T) {
	h := start(t, smallBudget)
	stop := h.fill(aliceToken)
	each(t, func(t *testing.T, o operation) {
		got := h.do(o.request)
		want := refusal{429, "rate_limit_error", "", "The account has too many large requests under way; wait for one to end and try again."}
		if refusalOf(got) != want || got.header.Get("Retry-After") != "1" {
			t.Errorf("%+v %v", refusalOf(got), got.header)
		}
		r := o.request
		r.token = bobToken
		if o.id == "streamEvents" {
			r.path = strings.Replace(r.path, "sess_", "sess_0", 1) // none of bob's: no stream to wait for
		}
		if got := h.do(r); got.status == http.StatusTooManyRequests {
			t.Errorf("another account: %d %s", got.status, got.body)
		}
	})
	stop()
	eventually(t, "everything is given back", func() bool { return h.inFlight() == 0 })
	if got := h.do(request{method: "GET", path: "/sessions"}); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAllAccountsTogetherAreBounded(t *testing.T) {
	h := start(t, smallBudget)
	var stops []func()
	for _, name := range []string{"c", "d", "e", "f"} {
		if _, err := h.db.CreateToken(t.Context(), store.NewToken{Account: name, Name: name, Hash: auth.Hash("pt-" + name)}); err != nil {
			t.Fatal(err)
		}
		stops = append(stops, h.fill("pt-"+name))
	}
	got := h.do(request{method: "GET", path: "/sessions"})
	if r := refusalOf(got); r.Status != 503 || r.Type != "overloaded_error" || got.header.Get("Retry-After") != "1" {
		t.Errorf("%+v %v", r, got.header)
	}
	stops[0]()
	eventually(t, "there is room again", func() bool {
		return h.do(request{method: "GET", path: "/sessions"}).status == http.StatusOK
	})
}

// A read is refused before it is made when the account has no room for what it may return.
func TestAReadWaitsForRoom(t *testing.T) {
	h := start(t, smallBudget)
	agent := h.mustCreate("/agents", `{"name":"a","model":"ultimate"}`)
	reads := []string{"/sessions", "/agents", h.session(), "/agents/" + agent}
	h.upload(aliceToken, 32<<20)
	stop := h.upload(aliceToken, 700<<10)
	eventually(t, "most of the share is used up", func() bool { return h.inFlight() > 3<<20 })
	var asked sync.WaitGroup
	for _, path := range reads {
		asked.Go(func() {
			if got := h.do(request{method: "GET", path: path}); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		})
	}
	asked.Wait()
	stop()
	eventually(t, "there is room again", func() bool { return h.inFlight() < 3<<20 })
	for _, path := range reads {
		if got := h.do(request{method: "GET", path: path}); got.status != http.StatusOK {
			t.Errorf("%s, with room: %d %s", path, got.status, got.body)
		}
	}
}

// A body without a length reserves as it is read.
func TestAChunkedBodyIsRefusedAsItIsRead(t *testing.T) {
	h := start(t, smallBudget)
	h.upload(aliceToken, 32<<20)
	h.upload(aliceToken, 700<<10)
	eventually(t, "most of the share is used up", func() bool { return h.inFlight() > 3<<20 })
	if got := h.do(request{method: "POST", path: "/sessions", raw: io.MultiReader(strings.NewReader(h.createBody(nil)))}); got.status != http.StatusCreated {
		t.Errorf("a small body: %d %s", got.status, got.body)
	}
	body := `{"events":[{"type":"user.message","content":"` + strings.Repeat("a", 1_000_000) + `"}`
	got := h.do(request{method: "POST", path: "/sessions/sess_1/events", raw: io.MultiReader(strings.NewReader(body + `]}`))})
	if r := refusalOf(got); r.Status != 429 || got.header.Get("Retry-After") != "1" {
		t.Errorf("%+v", r)
	}
}

// filler is a text of that length. If one of its characters that HTML needs escaped took six bytes, it would be half as long
// again; were all of them such characters, encoding/json would escape each, to no end but time.
func filler(length int) string {
	return strings.Repeat(fillerUnit, length/len(fillerUnit)+1)[:length]
}

var fillerUnit = strings.Repeat("<", 100) + strings.Repeat("a", 900)

// largeTools are the tools of an agent of nearly 2 MiB.
func largeTools() string {
	var tools []string
	for i := range 7 {
		tools = append(tools, fmt.Sprintf(`{"type":"custom","name":"t%d","input_schema":{"type":"object","description":"%s"}}`, i, filler(262144-100)))
	}
	return "[" + strings.Join(tools, ",") + "]"
}

// storeLargeAgent stores an agent of nearly 2 MiB, without the time that a request with it takes.
func (h *harness) storeLargeAgent(name string) (id string) {
	h.t.Helper()
	agent, err := h.db.CreateAgent(h.t.Context(), "alice", store.AgentSpec{
		Name: name, Model: "ultimate", Tools: json.RawMessage(largeTools()), MCPServers: json.RawMessage("[]"), Skills: json.RawMessage("[]"),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return agent.ID
}

// fillLog puts messages into a session's log without turns, which would read all of it for each.
func (h *harness) fillLog(path string, messages int, text string) {
	h.t.Helper()
	payload := json.RawMessage(`{"content":[{"type":"text","text":"` + text + `"}]}`)
	for range messages {
		_, _, err := h.db.AppendEvents(h.t.Context(), "alice", strings.TrimPrefix(path, "/sessions/"), func(*store.Session) ([]store.NewEvent, error) {
			return []store.NewEvent{{Type: "user.message", TurnID: "turn_1", Payload: payload}}, nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// pages follows a list to its end and returns the number of records on each page. It reads them into that buffer.
func (h *harness) pages(body *bytes.Buffer, path string) (sizes []int) {
	h.t.Helper()
	separator, next := "?", ""
	if strings.Contains(path, "?") {
		separator = "&"
	}
	for {
		got := h.uncheckedInto(body, "/v1"+path+next) // kin-openapi would take longer than the server
		if got.Code != http.StatusOK {
			h.t.Fatalf("%s: %d %.200s", path, got.Code, got.Body)
		}
		// Under the race detector encoding/json would take longer than the server: most of the long texts is left out.
		short := bytes.ReplaceAll(got.Body.Bytes(), []byte(fillerUnit), nil)
		var page struct {
			Data     []json.RawMessage
			HasMore  bool    `json:"has_more"`
			NextPage *string `json:"next_page"`
		}
		if err := json.Unmarshal(short, &page); err != nil {
			h.t.Fatal(err)
		}
		if got.Body.Len() > store.PageBytes+4096 && len(page.Data) > 1 {
			h.t.Errorf("%s: a page of %d bytes", path, got.Body.Len())
		}
		sizes = append(sizes, len(page.Data))
		if page.HasMore != (page.NextPage != nil) {
			h.t.Errorf("%s: has_more %t, next_page %v", path, page.HasMore, page.NextPage)
		}
		if page.NextPage == nil {
			return sizes
		}
		next = separator + "page=" + *page.NextPage
	}
}

func total(sizes []int) (n int) {
	for _, size := range sizes {
		n += size
	}
	return n
}

func TestPagesAreBoundedInBytes(t *testing.T) {
	h := start(t)
	id := h.storeLargeAgent("a")
	for version := int32(1); version < 5; version++ {
		_, err := h.db.UpdateAgent(t.Context(), "alice", id, version, func(a *store.AgentSpec) error {
			a.Description = fmt.Sprint(version)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		h.storeLargeAgent("b")
	}
	for range 5 {
		_, err := h.db.CreateSession(t.Context(), "alice", store.SessionSpec{AgentID: id, EnvironmentID: h.environment})
		if err != nil {
			t.Fatal(err)
		}
	}
	path := h.session()
	h.fillLog(path, 9, filler(1_000_000))
	body := bytes.NewBuffer(make([]byte, 0, store.PageBytes+4096))
	for path, want := range map[string]int{
		"/agents?limit=100":                             6,
		"/agents/" + id + "/versions?limit=100":         5,
		"/sessions?limit=100&agent_id=" + id:            5,
		path + "/events?limit=100&types[]=user.message": 9,
		path + "/events?limit=100&order=asc":            0,
	} {
		sizes := h.pages(body, path)
		if len(sizes) < 2 || total(sizes) != want && want > 0 {
			t.Errorf("%s: pages of %v records", path, sizes)
		}
		if strings.HasPrefix(path, "/agents") { // which are not cached
			continue
		}
		if again := h.pages(body, path); !slices.Equal(again, sizes) {
			t.Errorf("%s: pages of %v records, then, from what is cached, of %v", path, sizes, again)
		}
	}
	if n := h.inFlight(); n != 0 {
		t.Errorf("%d bytes are reserved", n)
	}
}

// An agent may have been stored before agents were bounded.
func TestLargeRowsStayReadable(t *testing.T) {
	h := start(t)
	tool := `{"type":"custom","name":"t%d","input_schema":{"type":"object","description":"` + strings.Repeat("a", 900*230) + `"}}`
	var tools []string
	for i := 0; i*len(tool) <= store.PageBytes; i++ { // one row is more than a page
		tools = append(tools, fmt.Sprintf(tool, i))
	}
	agent, err := h.db.CreateAgent(t.Context(), "alice", store.AgentSpec{
		Name: "old", Model: "ultimate", Tools: json.RawMessage("[" + strings.Join(tools, ",") + "]"),
		MCPServers: json.RawMessage("[]"), Skills: json.RawMessage("[]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 2 {
		s, err := h.db.CreateSession(t.Context(), "alice", store.SessionSpec{AgentID: agent.ID, EnvironmentID: h.environment})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	// The harness would validate them with kin-openapi: it takes minutes.
	body := bytes.NewBuffer(make([]byte, 0, 2*store.PageBytes))
	for _, path := range []string{"/agents/" + agent.ID, "/sessions/" + ids[0], "/sessions?limit=100&agent_id=" + agent.ID, "/agents?limit=1"} {
		got := h.uncheckedInto(body, "/v1"+path)
		if got.Code != http.StatusOK || got.Body.Len() < store.PageBytes || got.Body.Len() > 2*store.PageBytes {
			t.Errorf("%s: %d, %d bytes, %.200s", path, got.Code, got.Body.Len(), got.Body)
		}
	}
	create := h.do(request{method: "POST", path: "/agents", body: `{"name":"new","model":"ultimate","tools":[` + strings.Join(tools[:11], ",") + `]}`})
	if r := refusalOf(create); r.Status != 400 || r.Param != "body" || r.Message != "The request body must be at most 2097152 bytes of JSON." {
		t.Errorf("%+v", r)
	}
}

// An agent is bounded as a whole, however many requests it is made of. One that was larger before may shrink.
func TestAnAgentDoesNotOutgrowItsBound(t *testing.T) {
	h := start(t)
	id := h.storeLargeAgent("a")
	long := strings.Repeat("话", 100_000)
	update := func(id, fields string, version int) refusal {
		// Without kin-openapi, which would take longer than the server: it validates the updates of smaller agents.
		got := h.plainly("POST", "/v1/agents/"+id, fmt.Sprintf(`{"version":%d,%s}`, version, fields), "identity")
		if got.status == http.StatusOK {
			return refusal{Status: got.status}
		}
		return refusalOf(got)
	}
	if got := update(id, `"description":"d"`, 1); got.Status != http.StatusOK {
		t.Errorf("%+v", got)
	}
	want := refusal{400, "invalid_request_error", "body", "After the change, the agent must be at most 2097152 bytes of JSON."}
	if got := update(id, `"system":"`+long+`x"`, 2); got.Status != 400 {
		t.Errorf("%+v", got)
	}
	if got := update(id, `"system":"`+long+`","metadata":{"k":"v"}`, 2); got != want {
		t.Errorf("%+v", got)
	}
	if got := update(id, `"tools":[],"system":"`+long+`"`, 2); got.Status != http.StatusOK {
		t.Errorf("%+v", got)
	}
	old, err := h.db.CreateAgent(t.Context(), "alice", store.AgentSpec{
		Name: "old", Model: "ultimate", Tools: json.RawMessage(`[{"type":"custom","name":"t","input_schema":{"description":"` + strings.Repeat("a", 3<<20) + `"}}]`),
		MCPServers: json.RawMessage("[]"), Skills: json.RawMessage("[]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := update(old.ID, `"name":"new"`, 1); got.Status != http.StatusOK {
		t.Errorf("%+v", got)
	}
	if got := update(old.ID, `"system":"more"`, 2); got != want {
		t.Errorf("%+v", got)
	}
}

// A caller who does not read the response is disconnected, and what it holds is freed.
func TestAResponseThatNobodyReadsIsDropped(t *testing.T) {
	h := start(t, func(c *server.Config) { c.StreamPatience = 500 * time.Millisecond })
	path := h.session()
	h.fillLog(path, 5, strings.Repeat("a", 1_000_000))
	for range 2 {
		conn, err := net.Dial("tcp", h.web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		tcp := conn.(*net.TCPConn)
		t.Cleanup(func() { _ = tcp.Close() })
		if err := tcp.SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(tcp, "GET /v1%s/events?limit=100 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n", path, aliceToken)
	}
	eventually(t, "the responses are held", func() bool { return h.inFlight() > 8<<20 })
	eventually(t, "everything is given back", func() bool { return h.inFlight() == 0 })
	// One who reads slowly, but reads, gets it all.
	slow := mustRequest(t, h, path+"/events?limit=100")
	slow.Header.Set("Accept-Encoding", "identity")
	res, err := h.web.Client().Do(slow)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	read := 0
	for buffer := make([]byte, 1<<20); ; time.Sleep(100 * time.Millisecond) {
		n, err := io.ReadFull(res.Body, buffer)
		read += n
		if err != nil {
			break
		}
	}
	if int64(read) != res.ContentLength || read < 4<<20 {
		t.Errorf("%d of %d bytes were read", read, res.ContentLength)
	}
}

func mustRequest(t *testing.T, h *harness, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.web.URL+"/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+aliceToken)
	return req
}

// Characters that HTML needs escaped take one byte, not six: in responses, on streams and in the database.
func TestJSONIsPlain(t *testing.T) {
	const text = `<a href="x">&`
	h := start(t, openGate)
	metadata := map[string]any{"metadata": map[string]any{"k": text}, "title": text}
	session := "/sessions/" + h.mustCreate("/sessions", h.createBody(metadata))
	agent := h.mustCreate("/agents", `{"name":"<&>","model":"ultimate","tools":[{"type":"custom","name":"t","input_schema":{"description":"\u003c\u003e"}}]}`)
	stream := h.stream(session, "", nil)
	create := request{method: "POST", path: "/sessions", body: h.createBody(metadata), header: keyed("plain")}
	h.do(create)
	h.say(session, text)
	h.settled(session)
	var frame []byte
	for !bytes.Contains(frame, []byte("user.message")) {
		var err error
		if frame, err = stream.lines.ReadBytes('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range map[string][]byte{
		"a session":            h.do(request{method: "GET", path: session}).body,
		"a session, cached":    h.do(request{method: "GET", path: session}).body,
		"a list":               h.do(request{method: "GET", path: "/sessions"}).body,
		"an agent":             h.do(request{method: "GET", path: "/agents/" + agent}).body,
		"events":               h.do(request{method: "GET", path: session + "/events"}).body,
		"a recorded response":  h.do(create).body,
		"an error":             h.do(request{method: "POST", path: "/sessions", body: `{"<&>":1}`}).body,
		"a frame":              frame,
		"a variant of a union": h.post(session+"/resources", fmt.Sprintf(`{"type":"file","file_id":%q,"mount_path":"/<&>"}`, h.file("a", "x"))).body,
	} {
		if bytes.Contains(body, []byte(`\u00`)) {
			t.Errorf("%s: %s", name, body)
		}
	}
	stored, err := h.db.ListEvents(t.Context(), "alice", strings.TrimPrefix(session, "/sessions/"), store.EventFilter{}, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range stored.Items {
		if bytes.Contains(e.Payload, []byte(`\u00`)) {
			t.Errorf("stored: %s", e.Payload)
		}
	}
}

// What is read before a token is known is bounded.
func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	baseURL, _, _ := running(t, server.Config{})
	for size, want := range map[int]int{32 << 10: http.StatusUnauthorized, 100 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL+"/v1/sessions", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("a", size))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes of headers: %d", size, res.StatusCode)
		}
	}
}
