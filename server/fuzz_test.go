package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/server"
)

// FuzzCreateSession sends any body: never a 5xx, never a session unless the body, read in the plainest
// way, fits the contract's schema.
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
