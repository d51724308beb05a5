package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/server"
)

// FuzzCreateSession sends any body: the response is never a 5xx, and a session is created only if the body, decoded in the
// simplest way, fits the contract's schema.
func FuzzCreateSession(f *testing.F) {
	doc, err := document()
	if err != nil {
		f.Fatal(err)
	}
	schema := doc.Components.Schemas["CreateSessionRequest"].Value
	for _, example := range doc.Paths.Find("/sessions").Post.RequestBody.Value.Content["application/json"].Examples {
		data, err := json.Marshal(example.Value.Value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{
		pageBody, "", "null", "[]", `{"agent":{"id":"agent_1","version":1e0}}`, `{"agent":"\ud83d\ude00"}`, `{"a":1e999}`, `{"":{}}`,
		strings.Replace(pageBody, `"title"`, `"delta_flush_interval_ms":5e1,"title"`, 1),
		strings.Replace(pageBody, `"title"`, `"vault_ids":["vault_1"],"resources":[{"type":"file","file_id":"file_1"}],"title"`, 1),
	} {
		f.Add([]byte(seed))
	}
	shared := start(f, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	f.Fuzz(func(t *testing.T, body []byte) {
		h := shared.in(t)
		got := h.do(request{method: "POST", path: "/sessions", body: string(body), token: "pt-demo"})
		switch {
		case got.status >= 500:
			t.Fatalf("%d for %q", got.status, body)
		case got.status != 201:
			if refusalOf(got).Message == "" {
				t.Fatalf("%d without a message for %q", got.status, body)
			}
			return
		}
		if stored := h.do(request{method: "GET", path: "/sessions/" + got.field("id").(string), token: "pt-demo"}); string(stored.body) != string(got.body) {
			t.Fatalf("stored %s\nfor %q", stored.body, body)
		}
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			t.Fatalf("201 for what is not JSON: %q", body)
		}
		if err := schema.VisitJSON(value, openapi3.EnableFormatValidation()); err != nil {
			t.Fatalf("201 for %q: %v", body, err)
		}
	})
}

// FuzzSendEvents sends any body to a session: the response is never a 5xx, and never is a part of the events stored.
func FuzzSendEvents(f *testing.F) {
	for _, seed := range []string{
		`{"events":[{"type":"user.message","content":"Hi"}]}`, `{"events":[{"type":"user.message","content":[{"type":"text","text":"a"},{"type":"text","text":"\u2028"}]}]}`,
		`{"events":[{"type":"user.interrupt"},{"type":"user.interrupt"}]}`, `{"events":[{"type":"user.define_outcome","description":"d","rubric":{"type":"text","content":"r"},"max_iterations":2e0}]}`,
		`{"events":[{"type":"user.tool_confirmation","tool_use_id":"evt_1","result":"deny","deny_message":"no"}]}`,
		`{"events":[{"type":"user.interrupt"},{"type":"user.custom_tool_result","custom_tool_use_id":"evt_1"}]}`, `{"events":[]}`, `[]`, `{"events":{}}`,
	} {
		f.Add([]byte(seed))
	}
	shared := start(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		h := shared.in(t)
		path := h.session()
		got := h.do(request{method: "POST", path: path + "/events", body: string(body)})
		h.settled(path)
		stored := 0
		for _, e := range h.events(path) {
			if strings.HasPrefix(e.Event, "user.") {
				stored++
			}
		}
		switch {
		case got.status >= 500:
			t.Fatalf("%d for %q", got.status, body)
		case got.status != 200 && (stored > 0 || refusalOf(got).Message == ""):
			t.Fatalf("%d and %d events for %q", got.status, stored, body)
		case got.status == 200 && stored != len(got.field("data").([]any)):
			t.Fatalf("%d events for %q: %s", stored, body, got.body)
		}
	})
}
