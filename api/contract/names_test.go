package contract_test

import (
	"slices"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/sse"
)

func TestNames(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ got, want []string }{
		"all secrets":         {c.Secrets(), []string{"access_token", "client_secret", "key", "refresh_token", "secret", "secret_value", "token"}},
		"secrets in requests": {c.Operation("createVaultCredential").Secrets(), []string{"access_token", "client_secret", "refresh_token", "secret_value", "token"}},
		"secrets in replies":  {c.Operation("createEnvironmentKey").Secrets(), []string{"key"}},
		"no secrets":          {c.Operation("createSession").Secrets(), nil},
		"queries":             {c.Operation("streamEvents").QueryParameters(), []string{"after_id", "event_deltas[]"}},
	} {
		if !slices.Equal(tc.got, tc.want) {
			t.Errorf("%s: %q, want %q", name, tc.got, tc.want)
		}
	}
	if maps := c.Operation("createSession").Maps(); !slices.Contains(maps, "metadata") || slices.Contains(maps, "agent") {
		t.Errorf("maps: %q", maps)
	}
}

func TestFindBelow(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v1/sessions/sess_%41":       "sess_%41",
		"/sessions/sess_1":            "sess_1",
		"/v1/sessions/sess_1/nothing": "",
		"":                            "",
	} {
		op, param := c.FindBelow("GET", path)
		if got := ""; op != nil {
			got = param("session_id")
			if got != want || op.ID != "getSession" {
				t.Errorf("%s: %s %q, want %q", path, op.ID, got, want)
			}
		} else if want != "" {
			t.Errorf("%s: no operation", path)
		}
	}
}

func TestCheckEvent(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	schema := c.Operation("streamEvents").Stream(200)
	const stored = `{"id":"evt_1","type":"session.status_running","session_id":"sess_1","turn_id":"turn_1","schema_version":"1.0","created_at":"2026-05-18T15:26:15Z","processed_at":"2026-05-18T15:26:15Z"}`
	const increment = `{"type":"event_start","event":{"id":"evt_5","type":"agent.message"}}`
	for want, e := range map[string]sse.Event{
		"": {ID: "evt_1", Type: "session.status_running", Data: []byte(stored)},
		"event: the event name is not the type of the event, session.status_running":     {ID: "evt_1", Type: "message", Data: []byte(stored)},
		"event: the id line of an event of type session.status_running is not its id":    {ID: "evt_2", Type: "session.status_running", Data: []byte(stored)},
		"event: an event of type event_start is not stored and must not have an id line": {ID: "evt_5", Type: "event_start", Data: []byte(increment)},
		"required at '/event': is missing":                                               {Type: "event_start", Data: []byte(`{"type":"event_start"}`)},
		"json: invalid JSON near byte 1":                                                 {Type: "event_start", Data: []byte(`x`)},
	} {
		got := ""
		if v := schema.CheckEvent(e); v != nil {
			got = v.Finding()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
