package vault_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/vault"
)

// shown is what TestValidate compares of a validation.
type shown struct{ Status, Refresh, RefreshBody, Probe string }

// shownOf returns it.
func shownOf(v vault.Validation) (s shown) {
	s.Status = string(v.Status)
	if v.Refresh != nil {
		s.Refresh = string(v.Refresh.Status)
		if v.Refresh.HTTPResponse != nil {
			s.RefreshBody = v.Refresh.HTTPResponse.Body
		}
	}
	if v.Probe != nil {
		s.Probe = "no response"
		if v.Probe.HTTPResponse != nil {
			s.Probe = http.StatusText(int(v.Probe.HTTPResponse.StatusCode)) + " " + v.Probe.HTTPResponse.Body
		}
	}
	return s
}

// TestValidate asks servers that accept the token, refuse it, or do not respond.
func TestValidate(t *testing.T) {
	_, notAllowed := egress.Confidential{Client: egress.New(egress.Hosts{})}.Do(&http.Request{URL: &url.URL{Scheme: "https", Host: "x.example"}})
	if notAllowed == nil {
		t.Fatal("a request is allowed")
	}
	away := errors.New("dial: away")
	for name, tc := range map[string]struct {
		mcp, token endpoint
		change     func(*types.MCPOAuth)
		want       shown
	}{
		"accepted": {mcp: says(200, "old"), want: shown{Status: "valid", Probe: "OK "}},
		"refused, and refreshed": {
			mcp: func(r *http.Request, _ string) (int, string, error) {
				if r.Header.Get("Authorization") == "Bearer new" {
					return 200, "", nil
				}
				return 401, "no", nil
			},
			token: says(200, `{"access_token":"new"}`), want: shown{Status: "valid", Refresh: "succeeded", Probe: "OK "},
		},
		"refused twice": {
			mcp:   says(401, "old, new"),
			token: says(200, `{"access_token":"new"}`), want: shown{Status: "invalid", Refresh: "succeeded", Probe: "Unauthorized [secret], [secret]"},
		},
		"the refresh is refused": {
			mcp:   says(401, "no"),
			token: says(400, `{"error":"invalid_grant","token":"refresh-1"}`),
			want:  shown{Status: "invalid", Refresh: "failed", RefreshBody: `{"error":"invalid_grant","token":"[secret]"}`, Probe: "Unauthorized no"},
		},
		"the refresh has an odd status": {
			mcp: says(401, "no"), token: says(201, `{"access_token":"new"}`), want: shown{Status: "invalid", Refresh: "failed", Probe: "Unauthorized no"},
		},
		"the token endpoint is away": {
			mcp: says(401, "no"), token: func(*http.Request, string) (int, string, error) { return 0, "", away },
			want: shown{Status: "unknown", Refresh: "connect_error", Probe: "Unauthorized no"},
		},
		"no refresh": {
			mcp: says(401, "no"), change: func(a *types.MCPOAuth) { a.Refresh = nil },
			want: shown{Status: "invalid", Refresh: "no_refresh_token", Probe: "Unauthorized no"},
		},
		"forbidden":   {mcp: says(403, "OLD c%26"), want: shown{Status: "invalid", Probe: "Forbidden [secret] c%26"}},
		"broken":      {mcp: says(500, "s%26s\x00 732673"), want: shown{Status: "unknown", Probe: "Internal Server Error [secret] [secret]"}},
		"away":        {mcp: func(*http.Request, string) (int, string, error) { return 0, "", away }, want: shown{Status: "unknown", Probe: "no response"}},
		"not allowed": {mcp: func(*http.Request, string) (int, string, error) { return 0, "", notAllowed }, want: shown{Status: "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, endpoint(func(r *http.Request, body string) (int, string, error) {
				if r.URL.Host == "login.example" {
					return tc.token(r, body)
				}
				if !strings.Contains(body, `"method":"initialize"`) {
					t.Errorf("%s", body)
				}
				return tc.mcp(r, body)
			}))
			c := b.oauth(func(a *types.MCPOAuth) {
				if tc.change != nil {
					tc.change(a)
				}
			})
			v, err := b.Validate(t.Context(), account, b.vault, c.ID)
			check(t, err)
			if diff := cmp.Diff(tc.want, shownOf(v)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// says is an endpoint that always responds the same.
func says(status int, body string) endpoint {
	return func(*http.Request, string) (int, string, error) { return status, body, nil }
}

// TestLongProbeIsCut shows 4096 bytes of a body, and no part of a secret that its end has cut.
func TestLongProbeIsCut(t *testing.T) {
	secret := strings.Repeat("k", 90)
	for name, body := range map[string]string{"words": strings.Repeat("word ", 20_000), "secrets": strings.Repeat("k", 100_000)} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, says(500, body))
			c := b.add(b.vault, types.NewCredentialAuth(types.MCPOAuth{MCPServerURL: server}), server, vault.Secret{Token: secret})
			v, err := b.Validate(t.Context(), account, b.vault, c.ID)
			check(t, err)
			got := v.Probe.HTTPResponse
			if !got.BodyTruncated || len(got.Body) > 4096 || len(got.Body) < 1000 || strings.Contains(got.Body, "kk") {
				t.Errorf("%d bytes, truncated %v", len(got.Body), got.BodyTruncated)
			}
		})
	}
}

// TestValidateNothing has no credential, and one of another account.
func TestValidateNothing(t *testing.T) {
	b := newBed(t, says(200, ""))
	c := b.oauth()
	for _, of := range [][2]string{{account, "vcred_x"}, {"other", c.ID}} {
		if _, err := b.Validate(t.Context(), of[0], b.vault, of[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v: %v", of, err)
		}
	}
}
