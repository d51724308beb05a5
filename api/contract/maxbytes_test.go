package contract

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// What was stored before it had a bound stays readable: x-max-bytes is for requests only.
func TestMaxBytesIsForRequests(t *testing.T) {
	c := compiledTiny(t, "", "{type: object, x-max-bytes: 8}", "{type: object, x-max-bytes: 8}")
	const large = `{"a":"b"}`
	op := c.Operation("post")
	header := http.Header{"Content-Type": {"application/json"}}
	if v := c.Schema("A").Check([]byte(large)); v != nil {
		t.Errorf("a response: %v", v)
	}
	request := func(body string) *http.Request {
		r, err := http.NewRequest(op.Method, "/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		return r
	}
	var wrong *RequestError
	if err := op.CheckRequest(request(large), nil); !errors.As(err, &wrong) || wrong.Param != "body" {
		t.Errorf("a request: %v", err)
	}
	var violation *Violation
	if err := op.CheckSent(request(large), []byte(large), nil); !errors.As(err, &violation) || violation.Rule != "x-max-bytes" {
		t.Errorf("a request to send: %v", err)
	}
}

// The bounds of the document on what callers send.
func TestBoundedRequests(t *testing.T) {
	_, c := document(t)
	agent := func(system, tools string) string {
		return `{"name":"a","model":"m","system":"` + system + `","tools":[` + tools + `]}`
	}
	tool := func(name string, size int) string {
		return `{"type":"custom","name":"` + name + `","input_schema":{"type":"` + strings.Repeat("x", size-len(`{"type":""}`)) + `"}}`
	}
	var tools []string
	for name := range strings.SplitSeq("abcdefgh", "") {
		tools = append(tools, tool(name, 262144-100))
	}
	const escaped = `\u0001`
	result := func(size int) string {
		const start, end = `{"type":"user.tool_result","tool_use_id":"evt_1","content":[{"type":"text","text":"`, `"}]}`
		return start + strings.Repeat(escaped, (size-len(start+end))/len(escaped)) + end + strings.Repeat(" ", (size-len(start+end))%len(escaped))
	}
	for name, want := range map[string]struct{ schema, body, param string }{
		"an event beyond its bound":          {"EventInput", `{"type":"user.message","content":"` + strings.Repeat(escaped, 175_000) + `"}`, "body"},
		"a worker's result at its bound":     {"EventInput", result(2 << 20), ""},
		"a worker's result beyond its bound": {"EventInput", result(2<<20 + 2*len(escaped)), "body"},
		"a tool at its bound":                {"CreateAgentRequest", agent("", tool("t", 262144)), ""},
		"a tool beyond its bound":            {"CreateAgentRequest", agent("", tool("t", 262145)), "tools[0].input_schema"},
		"many tools":                         {"CreateAgentRequest", agent("", strings.Join(tools[:7], ",")), ""},
		"too many tools":                     {"CreateAgentRequest", agent("12345", strings.Join(append(tools, tool("i", 1000)), ",")), "body"},
		"an update":                          {"UpdateAgentRequest", `{"version":1,"tools":[` + strings.Join(append(tools, tool("i", 1000)), ",") + `]}`, "body"},
	} {
		err := c.CheckJSON(want.schema, []byte(want.body))
		var wrong *RequestError
		if errors.As(err, &wrong) != (want.param != "") || wrong != nil && wrong.Param != want.param {
			t.Errorf("%s: %v", name, err)
		}
		if v := c.Schema(want.schema).Check([]byte(want.body)); v != nil {
			t.Errorf("%s: as a response: %v", name, v)
		}
	}
}

// A body that its schema bounds is read no further than that, with some room for white space.
func TestABoundedBodyIsNotReadToItsEnd(t *testing.T) {
	_, c := document(t)
	op := c.Operation("createAgent")
	for _, length := range []int64{-1, 3 << 20} {
		body := &counter{}
		r, err := http.NewRequest(http.MethodPost, "/v1/agents", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = length
		var wrong *RequestError
		if err := op.CheckRequest(r, func(string) string { return "" }); !errors.As(err, &wrong) || wrong.Message != "The request body must be at most 2097152 bytes of JSON." {
			t.Errorf("%v", err)
		}
		if body.read > 5<<19 {
			t.Errorf("%d bytes were read", body.read)
		}
	}
	if got := c.Operation("sendEvents").MaxBody(); got != 32<<20 {
		t.Errorf("the body of sendEvents may have %d bytes", got)
	}
}

// counter is a body without end.
type counter struct{ read int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.read += len(p)
	return len(p), nil
}
