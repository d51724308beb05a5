package contractdrift_test

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client/contractdrift"
	"github.com/cloud-sessions/sessions/client/recording"
)

func read(t *testing.T, text string) *recording.Recording {
	t.Helper()
	rec, err := recording.Read("f", strings.NewReader("sessions recording 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

const models = `
exchange 1 at 0s listModels
request GET /v1/models
response 200 after 1ms
  Content-Type: application/json
  Date: Mon, 01 Jan 2026 00:00:00 GMT
  X-Request-Id: 1
json
  {"data": [{"id": "a", "type": "model", "created_at": null, "list": [], "price": {"input": 1.5}}], "has_more": false}
end after 1ms
`

const session = `
exchange 2 at 0s createSession
request POST /v1/sessions
  Content-Type: application/json
json
  {"agent": "agent_1", "metadata": {"purpose": "x"}}
response 201 after 1ms
  Content-Type: application/json
json
  {"id": "sess_1", "type": "session", "metadata": {"purpose": "x"}, "agent": {"id": "agent_1", "type": "agent"}}
end after 1ms
`

const stream = `
exchange 3 at 0s streamEvents
request GET /v1/sessions/sess_1/events/stream
response 200 after 1ms
  Content-Type: text/event-stream
frame after 1ms
  : heartbeat
frame after 1ms
  id: evt_1
  event: session.status_idle
  data: {"id":"evt_1","type":"session.status_idle","stop_reason":{"type":"end_turn"}}
left after 1ms
`

func TestCompare(t *testing.T) {
	t.Parallel()
	all := models + session + stream
	change := func(from, to string) string {
		if !strings.Contains(all, from) {
			t.Fatalf("no %s", from)
		}
		return strings.Replace(all, from, to, 1)
	}
	for after, want := range map[string][]string{
		all: nil,
		strings.NewReplacer("sess_1", "sess_2", "evt_1", "evt_2", "1ms", "2ms", "  Date: Mon, 01 Jan 2026 00:00:00 GMT\n", "", `"purpose": "x"`, `"other": 1`).Replace(all): nil,
		models + stream: {"createSession: the operation vanished"},
		change("exchange 1 at 0s listModels\nrequest GET /v1/models", "exchange 1 at 0s\nrequest GET /v2/other"): {"GET /v2/other: the operation appeared", "listModels: the operation vanished"},
		change("response 201", "response 200"):                                      {"createSession 200: the status appeared", "createSession 201: the status vanished"},
		change("  X-Request-Id: 1\n", "  X-Other: 1\n"):                             {"listModels 200: header X-Other appeared", "listModels 200: header X-Request-Id vanished"},
		change(`"has_more": false`, `"has_more": "no", "next_page": null`):          {"listModels 200: field has_more changed from boolean to string", "listModels 200: field next_page appeared"},
		change(`"created_at": null`, `"created_at": "now"`):                         nil,
		change(`"list": []`, `"list": [{"x": 1}]`):                                  nil,
		change(`{"input": 1.5}`, `{"output": 1.5}`):                                 {"listModels 200: field data[](model).price.input vanished", "listModels 200: field data[](model).price.output appeared"},
		change(`{"input": 1.5}`, `7`):                                               {"listModels 200: field data[](model).price changed from object to number"},
		change(`"agent": {"id": "agent_1", "type": "agent"}`, `"agent": "agent_1"`): {"createSession 201: field body(session).agent changed from object to string"},
		change(`"type": "session"`, `"type": "conversation"`):                       {"createSession 201: field body changed its type from session to conversation"},
		change(`"agent": "agent_1", "metadata"`, `"agent": {"id": 1}, "metadata"`):  {"createSession: request field agent changed from string to object"},
		strings.ReplaceAll(all, "session.status_idle", "session.idle"):              {"streamEvents 200: event session.idle appeared", "streamEvents 200: event session.status_idle vanished"},
		change(`{"type":"end_turn"}`, `"end_turn"`):                                 {"streamEvents 200: event session.status_idle: field body(session.status_idle).stop_reason changed from object to string"},
	} {
		changes, err := contractdrift.Compare(read(t, all), read(t, after))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, c.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestWildFields tests that what is compared does not grow with the depth or the number of the fields that a server sends.
func TestWildFields(t *testing.T) { // not parallel: it counts what is allocated
	body := func(json string) *recording.Recording {
		return read(t, "\nexchange 1 at 0s listModels\nrequest GET /v1/models\nresponse 200 after 1ms\n  Content-Type: application/json\njson\n  "+json+"\nend after 1ms\n")
	}
	long := strings.Repeat("k", 1000)
	var many strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&many, `,"%d":1`, i)
	}
	for name, tc := range map[string]struct{ json, err string }{
		"long names":  {`{"` + strings.Repeat(long, 100) + `":{"a":1` + strings.Repeat(`,"`+long+`":1`, 1000) + `}}`, ""},
		"deep":        {strings.Repeat(`{"type":"`+long+`","a":`, 1000) + "1" + strings.Repeat("}", 1000), ""},
		"many fields": {"{" + many.String()[1:] + "}", "the recording has more fields than can be compared, in exchange 1; remove the exchange from the file"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := contractdrift.Compare(body(tc.json), body(`{}`))
		runtime.ReadMemStats(&after)
		if text := fmt.Sprint(err); text != cmp.Or(tc.err, "<nil>") {
			t.Errorf("%s: %v", name, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 512<<20 {
			t.Errorf("%s: %d MiB were allocated", name, grown>>20)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const missing = "\nexchange 4 at 0s\nrequest GET /v1/nothing\nresponse 404 after 1ms\nend after 1ms\n" +
		"\nexchange 5 at 0s\nrequest GET /v1/nothing\ncut after 1ms\n" +
		"\nexchange 6 at 0s getModel\nrequest HEAD /v1/models\nresponse 200 after 1ms\n  Content-Type: application/json\n  X-Request-Id: 1\nend after 1ms\n" +
		"\nexchange 7 at 0s listModels\nrequest GET /v1/models\nresponse 418 after 1ms\nend after 1ms\n"
	changes, err := contractdrift.Check(read(t, models+session+stream+missing))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.String())
	}
	want := []string{
		"GET /v1/nothing: the contract has no such operation",
		"createSession: request: Missing required field: environment_id",
		"createSession 201: header: X-Request-Id is missing",
	}
	if len(got) < 6 || !slices.Equal(got[:3], want) || !strings.HasPrefix(got[3], "createSession 201: required at '/") || !strings.HasPrefix(got[4], "listModels 200: ") {
		t.Errorf("got %q", got)
	}
	for _, part := range []string{"listModels 418: status: the status is not declared", "streamEvents 200: header: X-Request-Id is missing", "streamEvents 200: required at '/"} {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, part) }) {
			t.Errorf("no %q in %q", part, got)
		}
	}
}
