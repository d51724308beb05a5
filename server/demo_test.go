package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

func TestADemoThatOthersReachNeedsALongToken(t *testing.T) {
	t.Parallel()
	short, long := "pt-45678901234567890123", "pt-456789012345678901234"
	for addr, reached := range map[string]bool{
		"127.0.0.1:0": false, "127.8.8.8:80": false, "[::1]:0": false, "localhost:8080": false, "[::ffff:127.0.0.1]:0": false,
		"0.0.0.0:8080": true, ":8080": true, "[::]:0": true, "10.0.0.1:80": true, "example.com:80": true, "127.0.0.1.example.com:80": true,
		"localhost.example.com:80": true, "": true,
	} {
		err := server.CheckDemoToken(addr, short)
		if (err != nil) != reached || err != nil && !strings.Contains(err.Error(), "at least 24") {
			t.Errorf("%q: %v", addr, err)
		}
		if err != nil && strings.Contains(err.Error(), short) {
			t.Errorf("%q: the error has the token: %v", addr, err)
		}
		for _, fine := range []string{"", long, auth.Mint()} {
			if err := server.CheckDemoToken(addr, fine); err != nil {
				t.Errorf("%q, %d characters: %v", addr, len(fine), err)
			}
		}
	}
}

func TestDemoTokens(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + t.TempDir() + "/sessions.db"
	clock := &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
	db, err := sqlstore.Open(t.Context(), dsn, sqlstore.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	demo := func(token string) (*server.Demo, error) {
		s, err := server.New(t.Context(), server.Config{DB: dsn, Demo: true, DemoToken: token, Now: clock.Now})
		if err != nil {
			return nil, err
		}
		return s.Demo(), s.Close()
	}
	starts := func(token string, expires *time.Time) *server.Demo {
		t.Helper()
		got, err := demo(token)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := db.TokenByHash(t.Context(), auth.Hash(got.Token))
		if err != nil || stored.Account != server.DemoAccount {
			t.Fatalf("%+v, %v", stored, err)
		}
		for _, at := range []*time.Time{got.Expires, stored.ExpiresAt} {
			if (at == nil) != (expires == nil) || at != nil && !at.Equal(*expires) {
				t.Errorf("%s expires at %v, want %v", token, at, expires)
			}
		}
		return got
	}
	refused := func(token, want string) {
		t.Helper()
		if _, err := demo(token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	create := func(account, token string, expires *time.Time) store.Token {
		t.Helper()
		created, err := db.CreateToken(t.Context(), store.NewToken{Account: account, Name: "theirs", Hash: auth.Hash(token), ExpiresAt: expires})
		if err != nil {
			t.Fatal(err)
		}
		return created
	}
	month := func() *time.Time { return new(clock.Now().Add(30 * 24 * time.Hour)) }

	starts("pt-given", month())
	starts("", month())
	clock.advance(29 * 24 * time.Hour)
	starts("pt-given", month()) // the start extends its life
	clock.advance(31 * 24 * time.Hour)
	starts("pt-given", month()) // even when it has expired

	soon := new(clock.Now().Add(time.Hour))
	create(server.DemoAccount, "pt-lasting", nil)
	create(server.DemoAccount, "pt-soon", soon)
	create("acme", "pt-acme", nil)
	starts("pt-lasting", nil)
	starts("pt-soon", soon)
	clock.advance(time.Hour)
	refused("pt-soon", "the demo token has expired")
	refused("pt-acme", `the demo token belongs to the account "acme"`)

	given, err := db.TokenByHash(t.Context(), auth.Hash("pt-given"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.RevokeToken(t.Context(), given.ID); err != nil {
		t.Fatal(err)
	}
	refused("pt-given", "the demo token was revoked")
}
