package contract_test

import (
	"slices"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
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
	secrets := c.SecretsByOperation()
	if !slices.Equal(secrets[""], c.Secrets()) || !slices.Equal(secrets["createEnvironmentKey"], []string{"key"}) {
		t.Errorf("secrets by operation: %q", secrets)
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
