package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/seal"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/vault"
)

const (
	account = "acc"
	server  = "https://mcp.example/mcp"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bed is a store with a safe on it and one vault.
type bed struct {
	*vault.Safe
	t     *testing.T
	store store.Store
	file  string // the key file
	vault string
}

func newBed(t *testing.T, http vault.Doer) *bed {
	t.Helper()
	t.Parallel()
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	b := &bed{t: t, store: db, file: filepath.Join(t.TempDir(), "key")}
	b.Safe = b.open(http)
	v, err := db.CreateVault(t.Context(), account, store.VaultSpec{DisplayName: "v"})
	check(t, err)
	b.vault = v.ID
	return b
}

// open opens another safe on the same store, as another process does.
func (b *bed) open(http vault.Doer) *vault.Safe {
	b.t.Helper()
	s, err := vault.Open(b.t.Context(), vault.Options{Store: b.store, Key: vault.KeyConfig{File: b.file, Create: true}, HTTP: http, MaxToken: 100})
	check(b.t, err)
	return s
}

// add adds a credential to a vault.
func (b *bed) add(vaultID string, auth types.CredentialAuth, url string, secret vault.Secret) store.Credential {
	b.t.Helper()
	data, err := json.Marshal(auth)
	check(b.t, err)
	c, err := b.Add(b.t.Context(), account, vaultID, store.CredentialSpec{Target: vault.MatchURL(url), Auth: data}, secret, 20)
	check(b.t, err)
	return c
}

// bearer adds a static token.
func (b *bed) bearer(vaultID, url, token string) store.Credential {
	b.t.Helper()
	return b.add(vaultID, types.NewCredentialAuth(types.StaticBearer{MCPServerURL: url}), url, vault.Secret{Token: token})
}

// oauth adds an access token that expired long ago, with the means to refresh it.
func (b *bed) oauth(change ...func(*types.MCPOAuth)) store.Credential {
	b.t.Helper()
	auth := types.MCPOAuth{MCPServerURL: server, ExpiresAt: new(time.Now().Add(-time.Hour).UTC()), Refresh: &types.OAuthRefresh{
		ClientID: "client 1", TokenEndpoint: "https://login.example/token", TokenEndpointAuth: types.TokenEndpointAuth{Type: types.TokenEndpointAuthTypeNone},
	}}
	for _, c := range change {
		c(&auth)
	}
	return b.add(b.vault, types.NewCredentialAuth(auth), server, vault.Secret{Token: "old", RefreshToken: "refresh-1", ClientSecret: "s&s"})
}

// gives fails the test unless Bearer returns the token.
func (b *bed) gives(want string, vaults []string, url, refused string) {
	b.t.Helper()
	got, err := b.Bearer(b.t.Context(), account, vaults, url, refused)
	if err != nil || got != want {
		b.t.Errorf("%v %s: %q, %v, want %q", vaults, url, got, err, want)
	}
}

// endpoint is a token endpoint.
type endpoint func(r *http.Request, form string) (status int, body string, err error)

func (e endpoint) Do(r *http.Request) (*http.Response, error) {
	form, _ := io.ReadAll(r.Body)
	status, body, err := e(r, string(form))
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func TestBearer(t *testing.T) {
	b := newBed(t, nil)
	second, err := b.store.CreateVault(t.Context(), account, store.VaultSpec{})
	check(t, err)
	b.bearer(b.vault, "https://MCP.example:443/mcp", "tok-1")
	b.bearer(second.ID, server, "tok-2")
	b.gives("tok-1", []string{b.vault, second.ID}, server, "")
	b.gives("tok-2", []string{second.ID, b.vault}, server, "")
	b.gives("tok-1", []string{b.vault}, server, "another")
	for _, url := range []string{server + "/", "http://mcp.example/mcp", "https://mcp.example:444/mcp", "https://mcp.example.evil.example/mcp", "https://u@mcp.example/mcp", "x"} {
		b.gives("", []string{b.vault}, url, "")
	}
	b.gives("", nil, server, "")
	if _, err := b.Bearer(t.Context(), account, []string{b.vault}, server, "tok-1"); !errors.Is(err, vault.ErrRefused) {
		t.Errorf("a refused token: %v", err)
	}
	if got, err := b.Bearer(t.Context(), "other", []string{b.vault}, server, ""); got != "" || err != nil {
		t.Errorf("another account: %q, %v", got, err)
	}
	_, err = b.store.ArchiveVault(t.Context(), account, b.vault)
	check(t, err)
	b.gives("tok-2", []string{b.vault, second.ID}, server, "")
}

// TestRefresh exchanges a refresh token in each way that a client can authenticate itself.
func TestRefresh(t *testing.T) {
	t.Parallel()
	for kind, want := range map[types.TokenEndpointAuthType]string{
		types.TokenEndpointAuthTypeNone:              "client_id=client+1&grant_type=refresh_token&refresh_token=refresh-1&resource=https%3A%2F%2Fr.example&scope=a+b",
		types.TokenEndpointAuthTypeClientSecretPost:  "client_id=client+1&client_secret=s%26s&grant_type=refresh_token&refresh_token=refresh-1&resource=https%3A%2F%2Fr.example&scope=a+b",
		types.TokenEndpointAuthTypeClientSecretBasic: "grant_type=refresh_token&refresh_token=refresh-1&resource=https%3A%2F%2Fr.example&scope=a+b client+1:s%26s",
	} {
		t.Run(string(kind), func(t *testing.T) {
			calls := 0
			b := newBed(t, endpoint(func(r *http.Request, form string) (int, string, error) {
				calls++
				got := form
				if user, pass, ok := r.BasicAuth(); ok {
					got += " " + user + ":" + pass
				}
				if got != want || r.Method != "POST" || r.URL.String() != "https://login.example/token" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
					t.Errorf("%s %s %v\n got %s\nwant %s", r.Method, r.URL, r.Header, got, want)
				}
				return 200, `{"access_token":"new","expires_in":3600,"refresh_token":"refresh-2","token_type":"Bearer"}`, nil
			}))
			c := b.oauth(func(a *types.MCPOAuth) {
				a.Refresh.TokenEndpointAuth.Type, a.Refresh.Scope, a.Refresh.Resource = kind, new("a b"), new("https://r.example")
			})
			b.gives("new", []string{b.vault}, server, "")
			b.gives("new", []string{b.vault}, server, "old") // which is replaced already
			if calls != 1 {
				t.Errorf("%d requests", calls)
			}
			stored, err := b.store.GetCredential(t.Context(), account, b.vault, c.ID)
			check(t, err)
			var auth types.CredentialAuth
			check(t, json.Unmarshal(stored.Auth, &auth))
			left := time.Until(*auth.AsAny().(types.MCPOAuth).ExpiresAt)
			if left < 55*time.Minute || left > time.Hour || strings.Contains(string(stored.Auth)+stored.Secret.Text, "refresh-2") {
				t.Errorf("stored: %v left, %s", left, stored.Auth)
			}
			_, err = b.Update(t.Context(), account, b.vault, c.ID, func(_ *store.CredentialSpec, secret *vault.Secret) error {
				if diff := cmp.Diff([]string{"new", "refresh-2", "s&s"}, []string{secret.Token, secret.RefreshToken, secret.ClientSecret}); diff != "" {
					t.Error(diff)
				}
				return nil
			})
			check(t, err)
		})
	}
}

// TestRefusedTokenIsRefreshed although it has not expired. An endpoint that gives no new refresh token keeps the old one.
func TestRefusedTokenIsRefreshed(t *testing.T) {
	calls := 0
	b := newBed(t, endpoint(func(_ *http.Request, form string) (int, string, error) {
		if calls++; !strings.Contains(form, "refresh-1") {
			t.Errorf("%s", form)
		}
		return 200, fmt.Sprintf(`{"access_token":"new-%d"}`, calls), nil
	}))
	b.oauth(func(a *types.MCPOAuth) { a.ExpiresAt = nil })
	b.gives("old", []string{b.vault}, server, "")
	b.gives("new-1", []string{b.vault}, server, "old")
	b.gives("new-1", []string{b.vault}, server, "")
	b.gives("new-2", []string{b.vault}, server, "new-1")
}

// TestBadTokenEndpoints give an error that repeats nothing, and keep the credential.
func TestBadTokenEndpoints(t *testing.T) {
	var answer func() (int, string, error)
	b := newBed(t, endpoint(func(*http.Request, string) (int, string, error) { return answer() }))
	b.oauth()
	for name, tc := range map[string]struct {
		status int
		body   string
		err    error
		want   string
	}{
		"invalid grant": {400, `{"error":"invalid_grant","error_description":"canary"}`, nil, "status 400, invalid_grant"},
		"unknown error": {400, `{"error":"canary"}`, nil, "refused to refresh the access token (status 400)"},
		"redirect":      {302, "canary", nil, "status 302"},
		"server error":  {500, "canary", nil, "status 500"},
		"not JSON":      {200, "canary", nil, "no usable access token"},
		"no token":      {200, `{"canary":1}`, nil, "no usable access token"},
		"line break":    {200, `{"access_token":"canary\nX: y"}`, nil, "no usable access token"},
		"bad refresh":   {200, `{"access_token":"a","refresh_token":"canary\n"}`, nil, "no usable access token"},
		"long":          {200, `{"access_token":"` + strings.Repeat("c", 101) + `"}`, nil, "no usable access token"},
		"large":         {200, strings.Repeat("canary", 20_000), nil, "too large"},
		"away":          {0, "", errors.New("dial canary"), "cannot be reached"},
	} {
		answer = func() (int, string, error) { return tc.status, tc.body, tc.err }
		got, err := b.Bearer(t.Context(), account, []string{b.vault}, server, "")
		if err == nil || got != "" || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "refresh-1") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	answer = func() (int, string, error) { return 200, `{"access_token":"new","expires_in":"x"}`, nil }
	b.gives("new", []string{b.vault}, server, "")
}

// TestNoMeansToRefresh: an expired token without a refresh, and one at a server that sends no requests.
func TestNoMeansToRefresh(t *testing.T) {
	b := newBed(t, nil)
	c := b.oauth()
	for range 2 {
		if _, err := b.Bearer(t.Context(), account, []string{b.vault}, server, ""); err == nil || !strings.Contains(err.Error(), "has expired and cannot be refreshed") {
			t.Errorf("%v", err)
		}
		check(t, b.store.DeleteCredential(t.Context(), account, b.vault, c.ID))
		c = b.oauth(func(a *types.MCPOAuth) { a.Refresh = nil })
	}
	b.gives("", []string{"vault_x"}, server, "")
}

// TestOneRefreshAtATime has several processes that need a fresh token at once: the refresh token is used once.
func TestOneRefreshAtATime(t *testing.T) {
	var calls atomic.Int32
	var waiting sync.WaitGroup
	waiting.Add(3)
	slow := endpoint(func(*http.Request, string) (int, string, error) {
		calls.Add(1)
		waiting.Wait() // until all have begun
		return 200, `{"access_token":"new","expires_in":3600,"refresh_token":"refresh-2"}`, nil
	})
	b := newBed(t, slow)
	b.oauth()
	var all sync.WaitGroup
	for _, s := range []*vault.Safe{b.Safe, b.open(slow), b.open(slow)} {
		all.Go(func() {
			waiting.Done()
			got, err := s.Bearer(t.Context(), account, []string{b.vault}, server, "")
			if err != nil || got != "new" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("the refresh token was used %d times", n)
	}
}

// otherFirst is a store in which another process always begins a refresh first, and ends it after the credential was read
// once more.
type otherFirst struct {
	store.Store
	once    sync.Once
	refresh func()
}

func (s *otherFirst) SetRefreshing(context.Context, string, string, string, time.Time, time.Time) (bool, error) {
	return false, nil
}

func (s *otherFirst) GetCredential(ctx context.Context, account, vault, id string) (store.Credential, error) {
	c, err := s.Store.GetCredential(ctx, account, vault, id)
	s.once.Do(s.refresh)
	return c, err
}

// TestAnotherProcessRefreshes returns the token that the other process has stored, and leaves the refresh token alone.
func TestAnotherProcessRefreshes(t *testing.T) {
	b := newBed(t, nil)
	c := b.oauth()
	late, err := vault.Open(t.Context(), vault.Options{
		Store: &otherFirst{Store: b.store, refresh: func() {
			_, err := b.Update(t.Context(), account, b.vault, c.ID, func(spec *store.CredentialSpec, secret *vault.Secret) (err error) {
				secret.Token = "others"
				spec.Auth, err = json.Marshal(types.NewCredentialAuth(types.MCPOAuth{MCPServerURL: server}))
				return err
			})
			check(t, err)
		}},
		Key: vault.KeyConfig{File: b.file}, MaxToken: 100,
		HTTP: endpoint(func(*http.Request, string) (int, string, error) {
			t.Error("the refresh token was used")
			return 200, `{"access_token":"new"}`, nil
		}),
	})
	check(t, err)
	if got, err := late.Bearer(t.Context(), account, []string{b.vault}, server, ""); err != nil || got != "others" {
		t.Errorf("%q, %v", got, err)
	}
}

// refreshedBefore is a store in which another process begins and ends a refresh just before the first claim.
type refreshedBefore struct {
	store.Store
	once    sync.Once
	refresh func()
}

func (s *refreshedBefore) SetRefreshing(ctx context.Context, account, vault, id string, from, until time.Time) (bool, error) {
	s.once.Do(s.refresh)
	return s.Store.SetRefreshing(ctx, account, vault, id, from, until)
}

// TestRefreshedBeforeTheClaim: a process that read the credential before another one refreshed it claims the refresh after that
// one has ended it. It returns the other's token, does not use a refresh token again, and lets others refresh later.
func TestRefreshedBeforeTheClaim(t *testing.T) {
	var calls atomic.Int32
	http := endpoint(func(*http.Request, string) (int, string, error) {
		calls.Add(1)
		return 200, `{"access_token":"new","expires_in":3600,"refresh_token":"refresh-2"}`, nil
	})
	b := newBed(t, http)
	c := b.oauth()
	late, err := vault.Open(t.Context(), vault.Options{
		Store: &refreshedBefore{Store: b.store, refresh: func() { b.gives("new", []string{b.vault}, server, "") }},
		Key:   vault.KeyConfig{File: b.file}, MaxToken: 100, HTTP: http,
	})
	check(t, err)
	if got, err := late.Bearer(t.Context(), account, []string{b.vault}, server, ""); err != nil || got != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("refresh tokens were used %d times", n)
	}
	if c, err := b.store.GetCredential(t.Context(), account, b.vault, c.ID); err != nil || !c.RefreshingUntil.IsZero() {
		t.Errorf("claimed until %v, %v", c.RefreshingUntil, err)
	}
}

// TestReplacedWhileRefreshing keeps the secret that a caller has set while the token endpoint was asked.
func TestReplacedWhileRefreshing(t *testing.T) {
	var b *bed
	var c store.Credential
	b = newBed(t, endpoint(func(*http.Request, string) (int, string, error) {
		_, err := b.Update(t.Context(), account, b.vault, c.ID, func(_ *store.CredentialSpec, secret *vault.Secret) error {
			secret.Token = "callers"
			return nil
		})
		return 200, `{"access_token":"new"}`, err
	}))
	c = b.oauth()
	b.gives("callers", []string{b.vault}, server, "")
}

// TestRefreshOutlivesItsCaller stores the tokens although the caller's context has ended.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	b := newBed(t, endpoint(func(*http.Request, string) (int, string, error) {
		cancel()
		return 200, `{"access_token":"new","expires_in":3600}`, nil
	}))
	b.oauth()
	if got, err := b.Bearer(ctx, account, []string{b.vault}, server, ""); err != nil || got != "new" {
		t.Errorf("%q, %v", got, err)
	}
	b.gives("new", []string{b.vault}, server, "")
}

// TestRotate replaces the key while another safe works with the old one, step by step.
func TestRotate(t *testing.T) {
	b := newBed(t, nil)
	running := b.open(nil)
	for i := range 3 {
		b.bearer(b.vault, fmt.Sprintf("https://%d.example", i), fmt.Sprintf("tok-%d", i))
	}
	gone := b.bearer(b.vault, "https://gone.example", "x")
	_, err := b.store.ArchiveCredential(t.Context(), account, b.vault, gone.ID)
	check(t, err)
	before, err := b.store.VaultKey(t.Context())
	check(t, err)
	prepared, err := vault.Prepare(t.Context(), b.store, b.file)
	check(t, err)
	again, err := vault.Prepare(t.Context(), b.store, b.file)
	check(t, err)
	ring, err := seal.ReadFile(b.file)
	check(t, err)
	current, err := b.store.VaultKey(t.Context())
	check(t, err)
	if again != prepared || len(ring.IDs()) != 2 || current != before || prepared == before.Key {
		t.Errorf("prepared %s, then %s; keys %v, current %s", prepared, again, ring.IDs(), current.Key)
	}
	done := 0
	check(t, vault.Rotate(t.Context(), b.store, b.file, func(n int) { done = n }))
	current, err = b.store.VaultKey(t.Context())
	check(t, err)
	ring, err = seal.ReadFile(b.file)
	check(t, err)
	if done != 3 || current.Key != prepared || len(ring.IDs()) != 1 || ring.Primary() != prepared {
		t.Errorf("%d secrets sealed again, current %s, keys %v", done, current.Key, ring.IDs())
	}
	for i := range 3 {
		got, err := running.Bearer(t.Context(), account, []string{b.vault}, fmt.Sprintf("https://%d.example", i), "")
		if err != nil || got != fmt.Sprintf("tok-%d", i) {
			t.Errorf("at a running server: %q, %v", got, err)
		}
	}
	b.Safe = running
	late := b.bearer(b.vault, "https://late.example", "late")
	if late.Secret.Key != prepared {
		t.Errorf("a running server seals under %s", late.Secret.Key)
	}
	check(t, vault.Rotate(t.Context(), b.store, b.file, func(int) {}))
	b.gives("late", []string{b.vault}, "https://late.example", "")
}

// TestInterruptedRotation ends after each of its secrets; a repeat continues, and no secret is lost.
func TestInterruptedRotation(t *testing.T) {
	b := newBed(t, nil)
	for i := range 3 {
		b.bearer(b.vault, fmt.Sprintf("https://%d.example", i), "tok")
	}
	left := 0
	failing := &failingStore{Store: b.store, left: &left}
	first, err := b.store.VaultKey(t.Context())
	check(t, err)
	var begun store.Sealed
	for i, n := range []int{0, 1, 1} {
		left = n
		if err := vault.Rotate(t.Context(), failing, b.file, func(int) {}); !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		current, err := b.store.VaultKey(t.Context())
		check(t, err)
		if i == 0 {
			begun = current
		}
		if current != begun || current == first {
			t.Errorf("repeat %d rotates to key %s, the interrupted one to %s from %s", i, current.Key, begun.Key, first.Key)
		}
		for i := range 3 {
			b.gives("tok", []string{b.vault}, fmt.Sprintf("https://%d.example", i), "")
		}
	}
	left = 10
	check(t, vault.Rotate(t.Context(), failing, b.file, func(int) {}))
	ring, err := seal.ReadFile(b.file)
	check(t, err)
	if len(ring.IDs()) != 1 || ring.Has(first.Key) {
		t.Errorf("keys %v after one rotation from %s", ring.IDs(), first.Key)
	}
	b.Safe = b.open(nil)
	for i := range 3 {
		b.gives("tok", []string{b.vault}, fmt.Sprintf("https://%d.example", i), "")
	}
}

var errStop = errors.New("stop")

// failingStore fails to seal again after some secrets.
type failingStore struct {
	store.Store
	left *int
}

func (s *failingStore) Reseal(ctx context.Context, of store.CredentialRef, change func(store.Sealed) (store.Sealed, error)) error {
	if *s.left == 0 {
		return errStop
	}
	*s.left--
	return s.Store.Reseal(ctx, of, change)
}

// TestRotateRefuses a file that is not the database's, and changes nothing.
func TestRotateRefuses(t *testing.T) {
	b := newBed(t, nil)
	b.bearer(b.vault, server, "tok")
	other, err := seal.New()
	check(t, err)
	wrong := filepath.Join(t.TempDir(), "wrong")
	check(t, other.CreateFile(wrong))
	before, err := os.ReadFile(wrong)
	check(t, err)
	for _, file := range []string{wrong, wrong + "-missing"} {
		if err := vault.Rotate(t.Context(), b.store, file, func(int) {}); err == nil {
			t.Errorf("%s is accepted", file)
		}
		if _, err := vault.Prepare(t.Context(), b.store, file); err == nil {
			t.Errorf("%s is accepted", file)
		}
	}
	after, err := os.ReadFile(wrong)
	check(t, err)
	if string(after) != string(before) {
		t.Error("the wrong file was changed")
	}
	b.gives("tok", []string{b.vault}, server, "")
	empty, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	check(t, err)
	defer empty.Close()
	if err := vault.Rotate(t.Context(), empty, b.file, func(int) {}); err == nil || !strings.Contains(err.Error(), "no vault key yet") {
		t.Errorf("%v", err)
	}
}

// TestKeyOfAnEmptyDatabase: a database without secrets takes the key that it gets.
func TestKeyOfAnEmptyDatabase(t *testing.T) {
	b := newBed(t, nil)
	check(t, os.Remove(b.file))
	b.Safe = b.open(nil) // makes another key
	b.bearer(b.vault, server, "tok")
	b.gives("tok", []string{b.vault}, server, "")
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	secret := vault.Secret{Token: "canary", RefreshToken: "canary", ClientSecret: "canary", Value: "canary"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, secret); got != "vault.Secret" {
			t.Errorf("%s: %s", verb, got)
		}
		if got := fmt.Sprintf(verb, &secret); got != "vault.Secret" {
			t.Errorf("%s of a pointer: %s", verb, got)
		}
	}
	if data, err := json.Marshal(secret); err == nil {
		t.Errorf("it is written as %s", data)
	}
}

// TestErrorsAreProblems: what callers see of them.
func TestErrorsAreProblems(t *testing.T) {
	t.Parallel()
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	check(t, err)
	defer db.Close()
	s, err := vault.Open(t.Context(), vault.Options{Store: db})
	check(t, err)
	v, err := db.CreateVault(t.Context(), account, store.VaultSpec{})
	check(t, err)
	_, err = s.Add(t.Context(), account, v.ID, store.CredentialSpec{Target: "x", Auth: []byte("{}")}, vault.Secret{}, 1)
	p, ok := problem.Of(err)
	if !ok || p.Type != types.ErrorTypeFeatureNotAvailable || p.Feature != vault.Feature || s.Available() {
		t.Errorf("%+v, %v", p, err)
	}
}
