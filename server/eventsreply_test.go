package server_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
)

// TestARowThatViolatesTheContractIsNotListed lists a log with an event that no check has seen: it must not leave, however
// often it is asked for, while the valid ones before it do.
func TestARowThatViolatesTheContractIsNotListed(t *testing.T) {
	h := start(t)
	path := h.session()
	h.say(path, "Hi")
	h.settled(path)
	all := len(h.events(path))
	_, _, err := h.db.AppendEvents(t.Context(), "alice", strings.TrimPrefix(path, "/sessions/"), func(*store.Session) ([]store.NewEvent, error) {
		return []store.NewEvent{{Type: "agent.message", TurnID: "turn_1", Payload: []byte(`{"content":"Hi"}`)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := refusalOf(h.do(request{method: "GET", path: path + "/events?limit=100&order=asc"})); got.Status != 500 || got.Type != "api_error" {
			t.Errorf("%+v", got)
		}
	}
	if got := h.get(path + "/events?limit=2&order=asc"); got.status != 200 {
		t.Errorf("the valid ones: %d %s", got.status, got.body)
	}
	for _, want := range []string{"operation=listEvents", "pointer=/data/" + string(rune('0'+all)) + "/content"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, h.log)
		}
	}
	metrics := h.do(request{method: "GET", path: "//metrics"})
	if want := `sessions_contract_violations_total{operation="listEvents",rule="type"} 2`; !strings.Contains(string(metrics.body), want) {
		t.Errorf("no %q in the metrics:\n%s", want, metrics.body)
	}
}

// TestReportModeListsAViolation is its counterpart where violations are only reported.
func TestReportModeListsAViolation(t *testing.T) {
	h := start(t, func(c *server.Config) { c.ResponseCheck = server.Report })
	path := h.session()
	_, _, err := h.db.AppendEvents(t.Context(), "alice", strings.TrimPrefix(path, "/sessions/"), func(*store.Session) ([]store.NewEvent, error) {
		return []store.NewEvent{{Type: "agent.message", TurnID: "turn_1", Payload: []byte(`{"content":"Hi"}`)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if recorder := h.unchecked("/v1" + path + "/events"); recorder.Code != 200 || !strings.Contains(recorder.Body.String(), `"content":"Hi"`) {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}

// TestEventsAreEncodedOnce compares the bytes of an event in the response to its sending, in a list and in the stream.
func TestEventsAreEncodedOnce(t *testing.T) {
	h := start(t)
	path := h.session()
	sent := h.post(path+"/events", `{"events":[{"type":"user.message","content":"<a> & é 🙂 \u2028"}]}`)
	var body struct{ Data []json.RawMessage }
	if err := json.Unmarshal(sent.body, &body); err != nil || len(body.Data) != 1 {
		t.Fatalf("%v: %s", err, sent.body)
	}
	h.settled(path)
	if got := h.get(path + "/events?limit=100"); !bytes.Contains(got.body, body.Data[0]) {
		t.Errorf("%s is not in the list:\n%s", body.Data[0], got.body)
	}
	stream := h.stream(path, "", nil)
	for {
		line, err := stream.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s is not in the stream: %v", body.Data[0], err)
		}
		if line == "data: "+string(body.Data[0])+"\n" {
			return
		}
	}
}
