package mcptools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/tools/mcptools"
	"github.com/cloud-sessions/sessions/server/turn"
)

// cut ends a response early.
func cut(w http.ResponseWriter, _ *http.Request, _ message) {
	reply(w, "text/event-stream", ": begun\n\n")
}

// hangUp ends the connection without a response.
func hangUp(http.ResponseWriter, *http.Request, message) { panic(http.ErrAbortHandler) }

// largeHeader responds with a header beyond the bound.
func largeHeader(w http.ResponseWriter, _ *http.Request, _ message) {
	for i := range 9 {
		w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", egress.MaxHeader/8))
	}
}

// page returns the answer of a list that continues after a cursor.
func page(tools string, next func(cursor string) string) answer {
	return func(w http.ResponseWriter, _ *http.Request, m message) {
		result(w, m, fmt.Sprintf(`{"tools":[%s],"nextCursor":%q}`, tools, next(m.Params.Cursor)))
	}
}

// Whatever a server does when it is asked for its tools, it costs the turn one sentence.
func TestServersThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", egress.MaxBody)
	for name, c := range map[string]struct {
		method string
		answer answer
		want   string
	}{
		"away":                 {"initialize", hangUp, "It could not be reached."},
		"large header":         {"initialize", largeHeader, "The header of its response is larger than 64 KiB."},
		"list: large header":   {"tools/list", largeHeader, "The header of its response is larger than 64 KiB."},
		"internal error":       {"initialize", status(500), "It responded with the status 500."},
		"forbidden":            {"initialize", status(403), "It refused the request with the status 403; a vault of the session needs a credential for its URL that it accepts."},
		"gone":                 {"initialize", status(404), "It responded with the status 404."},
		"a login page":         {"initialize", replies("text/html", "<h1>SECRET</h1>"), "It does not respond as an MCP server does."},
		"not JSON":             {"initialize", replies("application/json", "SECRET"), "It does not respond as an MCP server does."},
		"JSON of another kind": {"initialize", replies("application/json", "[1]"), "It does not respond as an MCP server does."},
		"another version":      {"initialize", results(`{"protocolVersion":"1999-01-01","capabilities":{},"serverInfo":{"name":"f","version":"1"}}`), "It does not respond as an MCP server does."},
		"refusal":              {"initialize", rpcError(200, "SECRET"), "It responded with the JSON-RPC error -32602."},
		"large JSON":           {"initialize", replies("application/json", large+"x"), "Its response is larger than 4 MiB."},
		"a large event":        {"initialize", replies("text/event-stream", "data: "+large+"\n\n"), "Its response is larger than 4 MiB."},
		"cut off":              {"initialize", cut, "It does not respond as an MCP server does."},
		"list: status":         {"tools/list", status(503), "It responded with the status 503."},
		"list: refusal":        {"tools/list", rpcError(200, "SECRET"), "It responded with the JSON-RPC error -32602."},
		"list: garbage":        {"tools/list", results(`{"tools":[{"name":1}]}`), "It does not respond as an MCP server does."},
		"list: large":          {"tools/list", results(`{"tools":[{"name":"x","description":"` + large + `"}]}`), "Its response is larger than 4 MiB."},
		"list: endless":        {"tools/list", page(`{"name":"x"}`, func(string) string { return "again" }), "Its list of tools does not end."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, good := newFake(t), newFake(t)
			f.on(c.method, c.answer)
			r := start(t, nil)
			box := r.open(t, r.agent("http", f.URL, good.URL))
			if diff := cmp.Diff([]string{`The MCP server "a" could not be used. ` + c.want}, box.Problems); diff != "" {
				t.Error(diff)
			}
			if len(box.Tools) != 1 || box.Tools[0].MCPServer != "b" {
				t.Errorf("the tools of the other server are missing: %+v", box.Tools)
			}
		})
	}
}

// A server that does not respond costs the turn no more than its time, wherever it stops.
func TestServersThatHang(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"server/discover", "initialize", "tools/list"} {
		for how, answer := range map[string]answer{"silent": silent, "half of a stream": hangs, "half of JSON": halfJSON} {
			t.Run(method+" "+how, func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				f.on(method, answer)
				r := start(t, func(o *mcptools.Options) { o.ListTimeout = 50 * time.Millisecond })
				if box := r.open(t, r.agent("http", f.URL)); !cmp.Equal(box.Problems, []string{`The MCP server "a" could not be used. It did not respond in time.`}) {
					t.Errorf("%q", box.Problems)
				}
				patient := start(t, nil)
				ctx, cancel := context.WithCancel(t.Context())
				f.on(method, func(w http.ResponseWriter, r *http.Request, m message) {
					cancel() // the turn ends while the server hangs
					answer(w, r, m)
				})
				box, err := patient.Open(ctx, "acme", patient.agent("http", f.URL))
				if err != nil || len(box.Problems) != 1 {
					t.Errorf("%+v, %v", box, err)
				}
				box.Close()
			})
		}
	}
	// The end of a session is not waited for.
	f := newFake(t)
	ended := make(chan struct{})
	f.on("DELETE", func(_ http.ResponseWriter, r *http.Request, _ message) { <-ended })
	r := start(t, nil)
	box := r.open(t, r.agent("http", f.URL))
	box.Close()
	close(ended)
}

func TestServersAreAskedAtTheSameTime(t *testing.T) {
	t.Parallel()
	const servers = 20 // the contract allows no more
	arrived, all := make(chan struct{}, servers), make(chan struct{})
	go func() {
		for range servers {
			<-arrived
		}
		close(all)
	}()
	var urls []string
	for range servers {
		f := newFake(t)
		f.on("tools/list", func(w http.ResponseWriter, _ *http.Request, m message) {
			arrived <- struct{}{}
			<-all
			result(w, m, f.tools)
		})
		urls = append(urls, f.URL)
	}
	r := start(t, nil)
	box := r.open(t, r.agent("http", urls...))
	var names []string
	for _, tool := range box.Tools {
		names = append(names, tool.MCPServer)
	}
	if got := strings.Join(names, ""); got != "abcdefghijklmnopqrst" {
		t.Errorf("%s, %q", got, box.Problems)
	}
}

// However many servers a turn has and wherever they stop, opening them takes no longer than one bound.
func TestTheOpeningOfATurnIsBounded(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var urls []string
	for _, method := range []string{"server/discover", "initialize", "tools/list"} {
		slow := newFake(t)
		slow.on(method, silent)
		urls = append(urls, slow.URL, slow.URL)
	}
	const bound = 200 * time.Millisecond
	r := start(t, func(o *mcptools.Options) {
		o.ListTimeout, o.OpenTimeout = 5*time.Second, bound
		o.Credentials = deadlines(func(rest time.Duration) {
			if rest > bound {
				t.Errorf("a server has %v", rest)
			}
		})
	})
	r.vaults = []string{"vault_1"}
	box := r.open(t, r.agent("http", append(urls, f.URL)...))
	if len(box.Problems) < len(urls) {
		t.Errorf("%q", box.Problems)
	}
	for _, problem := range box.Problems {
		if !strings.HasSuffix(problem, "It did not respond in time.") {
			t.Error(problem)
		}
	}
}

// deadlines are credentials that report how much time the request for one has.
type deadlines func(rest time.Duration)

func (d deadlines) Bearer(ctx context.Context, _ string, _ []string, _, _ string) (string, error) {
	until, bounded := ctx.Deadline()
	if !bounded {
		until = time.Now().Add(time.Hour)
	}
	d(time.Until(until))
	return "", nil
}

// A turn has no more servers than are asked at the same time, or the last would wait for the slowest of the first.
func TestEveryServerOfATurnIsAskedAtOnce(t *testing.T) {
	t.Parallel()
	api, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	if most := api.Schema("MCPServers").MaxItems(); most > mcptools.AtATime {
		t.Errorf("an agent may have %d servers, of which %d are asked at a time", most, mcptools.AtATime)
	}
}

// Names and schemas that a model or the contract does not take.
func TestListsAreTamed(t *testing.T) {
	t.Parallel()
	type tools map[string]string
	schema := func(s string) string { return `{"name":"x","inputSchema":` + s + `}` }
	for name, c := range map[string]struct {
		list     string
		want     tools
		problems []string
	}{
		"none":        {``, tools{}, nil},
		"no schema":   {`{"name":"x"}`, tools{"x": `{"type":"object"}`}, nil},
		"null schema": {schema(`null`), tools{"x": `{"type":"object"}`}, nil},
		"true":        {schema(`true`), tools{"x": `{"type":"object"}`}, nil},
		"no type":     {schema(`{"properties":{"a":{}}}`), tools{"x": `{"properties":{"a":{}},"type":"object"}`}, nil},
		"wrong type":  {schema(`{"type":["object","null"]}`), tools{"x": `{"type":"object"}`}, nil},
		"$defs":       {schema(`{"type":"object","$defs":{"a":{"type":"string"}}}`), tools{"x": `{"$defs":{"a":{"type":"string"}},"type":"object"}`}, nil},
		"names": {`{"name":"a.b/c"},{"name":"天气"},{"name":"with blanks"}`,
			tools{"a.b/c": `{"type":"object"}`, "天气": `{"type":"object"}`, "with blanks": `{"type":"object"}`}, nil},
		"bad names": {`{"name":""},{"name":"a\u0000"},{"name":"a\nb"},{"name":"` + strings.Repeat("n", 129) + `"},{"name":"y"},{"name":"y","description":"second"}`,
			tools{"y": `{"type":"object"}`},
			[]string{`5 tools of the MCP server "a" are left out: their names are taken or not allowed, or their schemas are too large.`}},
		"a large schema": {schema(`{"description":"`+strings.Repeat("x", 256<<10)+`"}`) + `,{"name":"y"}`, tools{"y": `{"type":"object"}`},
			[]string{`1 tools of the MCP server "a" are left out: their names are taken or not allowed, or their schemas are too large.`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.tools = `{"tools":[` + c.list + `]}`
			r := start(t, nil)
			box := r.open(t, r.agent("http", f.URL))
			got := tools{}
			for _, tool := range box.Tools {
				if got[tool.Name] = string(tool.InputSchema); tool.Description == "second" {
					t.Error("the second tool of a name counts")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.problems, box.Problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	n := 0
	next := func(string) string { n++; return fmt.Sprint(n) }
	for name, c := range map[string]struct {
		answer answer
		tools  int
	}{
		"tools": {func(w http.ResponseWriter, _ *http.Request, m message) {
			var tools []string
			for i := range 501 {
				tools = append(tools, fmt.Sprintf(`{"name":"t%d"}`, i))
			}
			result(w, m, `{"tools":[`+strings.Join(tools, ",")+`]}`)
		}, 500},
		"bytes": {func(w http.ResponseWriter, _ *http.Request, m message) {
			var tools []string
			for i := range 12 {
				tools = append(tools, fmt.Sprintf(`{"name":"t%d","inputSchema":{"description":"%s"}}`, i, strings.Repeat("x", 250<<10)))
			}
			result(w, m, `{"tools":[`+strings.Join(tools, ",")+`]}`)
		}, 9},
		"pages": {page(`{"name":"x"}`, next), 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on("tools/list", c.answer)
			r := start(t, nil)
			box := r.open(t, r.agent("http", f.URL))
			last := ""
			if len(box.Problems) > 0 {
				last = box.Problems[len(box.Problems)-1]
			}
			if want := fmt.Sprintf(`The MCP server "a" lists too many tools; those after the first %d are left out.`, c.tools); len(box.Tools) != c.tools || last != want {
				t.Errorf("%d tools, %q", len(box.Tools), box.Problems)
			}
		})
	}
	f := newFake(t)
	f.on("tools/list", func(w http.ResponseWriter, r *http.Request, m message) {
		switch m.Params.Cursor {
		case "":
			page(`{"name":"one"}`, func(string) string { return "2" })(w, r, m)
		case "2":
			page(`{"name":"two","description":"`+strings.Repeat("é", 5000)+`"}`, func(string) string { return "" })(w, r, m)
		}
	})
	r := start(t, nil)
	if box := r.open(t, r.agent("http", f.URL)); len(box.Tools) != 2 || len(box.Tools[1].Description) != 8192 {
		t.Errorf("the pages are not all read, or a description is not cut: %d tools, %q", len(box.Tools), box.Problems)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	const image = `{"type":"image","data":"aGVsbG8=","mimeType":"image/png"}`
	for name, c := range map[string]struct {
		answer answer
		want   turn.Output
	}{
		"two texts":        {results(`{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`), turn.Output{Text: "a\nb"}},
		"failed":           {results(`{"content":[{"type":"text","text":"no"}],"isError":true}`), turn.Output{Text: "no", Failed: true}},
		"image":            {results(`{"content":[{"type":"text","text":"a"},` + image + `]}`), turn.Output{Text: "a\n" + `[An image of type "image/png" with 5 bytes, which is not shown.]`}},
		"audio":            {results(`{"content":[{"type":"audio","data":"aGVsbG8=","mimeType":"audio/wav"}]}`), turn.Output{Text: `[Audio of type "audio/wav" with 5 bytes, which is not played.]`}},
		"link":             {results(`{"content":[{"type":"resource_link","uri":"file:///a","name":"a","description":"The a."}]}`), turn.Output{Text: `[A link to the resource file:///a.] The a.`}},
		"resource":         {results(`{"content":[{"type":"resource","resource":{"uri":"file:///a","text":"A"}}]}`), turn.Output{Text: "[The resource file:///a:]\nA"}},
		"binary resource":  {results(`{"content":[{"type":"resource","resource":{"uri":"file:///a","blob":"aGVsbG8=","mimeType":"x/y"}}]}`), turn.Output{Text: `[The resource file:///a of type "x/y" with 5 bytes, which is not shown.]`}},
		"no resource":      {results(`{"content":[{"type":"resource"}]}`), turn.Output{Text: "[An empty resource.]"}},
		"structure":        {results(`{"content":[],"structuredContent":{"a":[1]}}`), turn.Output{Text: `{"a":[1]}`}},
		"text first":       {results(`{"content":[{"type":"text","text":"a"}],"structuredContent":[1]}`), turn.Output{Text: "a"}},
		"nothing":          {results(`{}`), turn.Output{}},
		"null":             {results(`{"content":null}`), turn.Output{}},
		"unknown":          {results(`{"content":[{"type":"hologram"}]}`), turn.Output{Text: "Nobody knows whether the tool has done its work. It does not respond as an MCP server does.", Failed: true}},
		"bad base64":       {results(`{"content":[{"type":"image","data":"***","mimeType":"image/png"}]}`), turn.Output{Text: "Nobody knows whether the tool has done its work. It does not respond as an MCP server does.", Failed: true}},
		"wants input":      {results(`{"resultType":"input_required","inputRequests":{}}`), turn.Output{Text: "The tool did not run. It asks for more input than its arguments, which is not supported.", Failed: true}},
		"NUL and no UTF-8": {results(`{"content":[{"type":"text","text":"a\u0000` + "\xff" + `b"}]}`), turn.Output{Text: "a\uFFFDb"}},
		"events": {func(w http.ResponseWriter, _ *http.Request, m message) {
			reply(w, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n"+
				"data: {\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"sampling/createMessage\",\"params\":{}}\n\n"+
				fmt.Sprintf("data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", m.ID, text("a")))
		}, turn.Output{Text: "a"}},
		"long": {results(text(strings.Repeat("é", 150<<10))), turn.Output{Text: strings.Repeat("é", 128<<10) + "\n[The result is cut: it has 307200 bytes.]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.on("tools/call", c.answer)
			r := start(t, nil)
			tool := r.tool(t, r.agent("http", f.URL))
			if diff := cmp.Diff(c.want, run(t, tool, `{}`)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a call does that gets no result: how the model is told, and how often the tool was called by then. The call after
// it succeeds.
func TestCallsThatFail(t *testing.T) {
	t.Parallel()
	const unknown, didNot = "Nobody knows whether the tool has done its work. ", "The tool did not run. "
	large := strings.Repeat("x", egress.MaxBody)
	for name, c := range map[string]struct {
		answer     answer
		want       string
		calls      int // of a tool that is not repeatable
		repeatable int // of one that is; 0 for as many
	}{
		"refused":              {rpcError(200, "Unknown tool: echo"), "The MCP server refused the call: Unknown tool: echo", 1, 0},
		"refused as 400":       {rpcError(400, "Bad Request: No valid session ID provided"), didNot + "The MCP server refused the call: Bad Request: No valid session ID provided", 2, 0},
		"session unknown":      {status(404), didNot + "It responded with the status 404.", 2, 0},
		"gone":                 {status(410), didNot + "It responded with the status 410.", 2, 0},
		"forbidden":            {status(403), didNot + "It refused the request with the status 403; a vault of the session needs a credential for its URL that it accepts.", 1, 0},
		"too large":            {status(413), didNot + "It responded with the status 413.", 1, 0},
		"busy":                 {status(429), didNot + "It responded with the status 429.", 1, 0},
		"internal error":       {status(500), unknown + "It responded with the status 500.", 1, 2},
		"hang up":              {hangUp, unknown + "It could not be reached.", 1, 2},
		"large header":         {largeHeader, unknown + "The header of its response is larger than 64 KiB.", 1, 2},
		"cut off":              {cut, unknown + "It does not respond as an MCP server does.", 1, 2},
		"a login page":         {replies("text/html", "SECRET"), unknown + "It does not respond as an MCP server does.", 1, 2},
		"not JSON":             {replies("application/json", "SECRET"), unknown + "It does not respond as an MCP server does.", 1, 2},
		"JSON of another kind": {replies("application/json", "[]"), unknown + "It does not respond as an MCP server does.", 1, 2},
		"large JSON":           {results(text(large)), unknown + "Its response is larger than 4 MiB.", 1, 2},
		"a large event":        {replies("text/event-stream", "data: "+large+"\n\n"), unknown + "Its response is larger than 4 MiB.", 1, 2},
		"redirect": {func(w http.ResponseWriter, r *http.Request, _ message) {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		}, didNot + "It redirects with the status 307, which is not followed; use the URL that it redirects to.", 1, 0},
	} {
		for _, repeatable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, repeatable %v", name, repeatable), func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				f.tools = fmt.Sprintf(`{"tools":[{"name":"echo","annotations":{"readOnlyHint":%v}}]}`, repeatable)
				r := start(t, nil)
				tool := r.tool(t, r.agent("http", f.URL))
				f.on("tools/call", c.answer)
				got := run(t, tool, `{}`)
				if diff := cmp.Diff(turn.Output{Text: c.want, Failed: true}, got); diff != "" {
					t.Error(diff)
				}
				want := c.calls
				if repeatable && c.repeatable > 0 {
					want = c.repeatable
				}
				if calls := f.count("POST tools/call"); calls != want || tool.Repeatable != repeatable {
					t.Errorf("called %d times, want %d; repeatable: %v", calls, want, tool.Repeatable)
				}
				f.on("tools/call", nil)
				if got := run(t, tool, `{"n":2}`); got.Failed {
					t.Errorf("the next call: %+v", got)
				}
			})
		}
	}
}

// A server that restarts, or forgets the session, costs nothing: the session begins anew.
func TestSessionsBeginAnew(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := start(t, nil)
	tool := r.tool(t, r.agent("http", f.URL))
	for n := range 3 {
		f.restart()
		if got := run(t, tool, `{}`); got != (turn.Output{Text: "echo {}"}) {
			t.Fatalf("after restart %d: %+v", n, got)
		}
	}
	// Nor does a session that died with the call before.
	f.once("tools/call", replies("text/html", ""))
	if got := run(t, tool, `{}`); !got.Failed {
		t.Errorf("%+v", got)
	}
	if got := run(t, tool, `{}`); got.Failed {
		t.Errorf("%+v", got)
	}
}

// What servers send is bounded for an account's turns together, and given back.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	f, old := newFake(t), newOlder(t)
	bytes := budget.New(64 << 10)
	r := start(t, func(o *mcptools.Options) { o.Budget = bytes })
	hold := func() (release func()) {
		t.Helper()
		first, second := bytes.Open("acme"), bytes.Open("acme")
		if err := errors.Join(first.Grow(8<<10), second.Grow(8<<10)); err != nil { // the account's share
			t.Fatal(err)
		}
		return func() {
			first.Close()
			second.Close()
		}
	}
	release := hold()
	const sentence = "The MCP servers of the account's turns send too much at the same time; try again."
	if box := r.open(t, r.agent("http", f.URL)); !cmp.Equal(box.Problems, []string{`The MCP server "a" could not be used. ` + sentence}) {
		t.Errorf("%q", box.Problems)
	}
	release()
	tool := r.tool(t, r.agent("http", f.URL))
	release = hold()
	want := turn.Output{Text: "Nobody knows whether the tool has done its work. " + sentence, Failed: true}
	if diff := cmp.Diff(want, run(t, tool, `{}`)); diff != "" {
		t.Error(diff)
	}
	release()
	box := r.open(t, r.agent("url", f.URL, old.URL))
	for _, tool := range append(box.Tools, tool) {
		if got := run(t, tool, `{}`); got.Failed {
			t.Errorf("%+v", got)
		}
	}
	box.Close()
	r.Close()
	if used := bytes.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}
}

func TestCallsAreBoundedInTime(t *testing.T) {
	t.Parallel()
	for how, c := range map[string]struct {
		answer answer
		// told reports whether the server is told of the end of a call. With half of a document it is chance: the MCP client then
		// gives up the session. The request ends in any case.
		told bool
	}{"silent": {silent, true}, "half of a stream": {hangs, true}, "half of JSON": {halfJSON, false}} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			r := start(t, func(o *mcptools.Options) { o.CallTimeout = 50 * time.Millisecond })
			tool := r.tool(t, r.agent("http", f.URL))
			f.on("tools/call", c.answer)
			want := turn.Output{Text: "Nobody knows whether the tool has done its work. It did not respond in time.", Failed: true}
			if diff := cmp.Diff(want, run(t, tool, `{}`)); diff != "" {
				t.Error(diff)
			}

			// The end of the turn ends a call and its request, and tells the server.
			f, r = newFake(t), start(t, nil)
			tool = r.tool(t, r.agent("http", f.URL))
			ctx, cancel := context.WithCancel(t.Context())
			ended, told := make(chan struct{}), make(chan struct{})
			f.once("tools/call", func(w http.ResponseWriter, r *http.Request, m message) {
				cancel()
				c.answer(w, r, m)
				close(ended)
			})
			f.once("notifications/cancelled", func(w http.ResponseWriter, _ *http.Request, _ message) {
				w.WriteHeader(http.StatusAccepted)
				close(told)
			})
			if out, err := tool.Run(ctx, json.RawMessage(`{}`)); !errors.Is(err, context.Canceled) {
				t.Errorf("%+v, %v", out, err)
			}
			<-ended
			if c.told {
				<-told
			}
			if got := run(t, tool, `{}`); got.Failed {
				t.Errorf("the next call: %+v", got)
			}
		})
	}
}

// A server of type url may speak the older SSE transport, one of type http does not.
func TestOlderServers(t *testing.T) {
	t.Parallel()
	f := newOlder(t)
	r := start(t, nil)
	box := r.open(t, r.agent("http", f.URL))
	if want := []string{`The MCP server "a" could not be used. It responded with the status 405.`}; !cmp.Equal(box.Problems, want) {
		t.Errorf("%q", box.Problems)
	}
	tool := r.tool(t, r.agent("url", f.URL))
	for n := range 3 {
		if got := run(t, tool, `{}`); got != (turn.Output{Text: "echo {}"}) {
			t.Errorf("call %d: %+v", n, got)
		}
		f.restart() // ends the stream
	}
	// A server that refuses the streamable transport for other reasons is not asked again.
	forbidding := newFake(t)
	forbidding.on("initialize", status(403))
	if box := r.open(t, r.agent("url", forbidding.URL)); len(box.Problems) != 1 || forbidding.count("GET") != 0 {
		t.Errorf("%q after %v", box.Problems, forbidding.seen())
	}
}

// older is a server of the older SSE transport.
type older struct {
	*httptest.Server

	mu      sync.Mutex
	n       int
	streams map[string]*stream // the live ones
}

type stream struct {
	messages chan string
	end      chan struct{}
}

func newOlder(t *testing.T) *older {
	t.Helper()
	f := &older{streams: map[string]*stream{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sse", f.listen)
	mux.HandleFunc("POST /messages/{id}", f.receive)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	f.URL += "/sse"
	return f
}

// listen opens a stream.
func (f *older) listen(w http.ResponseWriter, r *http.Request) {
	s := &stream{make(chan string, 10), make(chan struct{})}
	f.mu.Lock()
	f.n++
	id := fmt.Sprint(f.n)
	f.streams[id] = s
	f.mu.Unlock()
	reply(w, "text/event-stream", "event: endpoint\ndata: /messages/"+id+"\n\n")
	w.(http.Flusher).Flush()
	for {
		select {
		case m := <-s.messages:
			_, _ = fmt.Fprintf(w, "event: message\ndata: %s\n\n", m)
			w.(http.Flusher).Flush()
		case <-s.end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// receive responds to a message, on its stream.
func (f *older) receive(w http.ResponseWriter, r *http.Request) {
	var m message
	_ = json.NewDecoder(r.Body).Decode(&m)
	f.mu.Lock()
	s := f.streams[r.PathValue("id")]
	f.mu.Unlock()
	if s == nil {
		http.Error(w, "session not found", http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	answers := map[string]string{
		"initialize": `{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"older","version":"1"}}`,
		"tools/list": `{"tools":[` + echoTool + `]}`,
		"tools/call": text("echo " + string(m.Params.Arguments)),
	}
	switch body, ok := answers[m.Method]; {
	case ok:
		s.messages <- fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, body)
	case m.Method == "server/discover":
		s.messages <- fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, m.ID)
	}
}

// restart ends the streams, as a restart does.
func (f *older) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, s := range f.streams {
		close(s.end)
		delete(f.streams, id)
	}
}
