package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/control"
	"github.com/cloud-sessions/sessions/server/store"
)

// checkControl returns an error for a configuration that lets others than tests on this machine control the server.
func (c Config) checkControl() error {
	switch {
	case !c.Control:
		return nil
	case !c.Demo:
		return errors.New("the control of a server is for tests; it needs a demo server")
	case !loopback(c.Addr):
		return fmt.Errorf("the control of a demo is for programs on this machine; listen on 127.0.0.1, not on %s", c.Addr)
	}
	return nil
}

// openControl returns the control of a demo, whose accounts begin with the configured runner and faults; nil if there is none.
func (c Config) openControl(api *contract.Contract, db store.Store, tokens *auth.Authenticator) *control.Control {
	if !c.Control {
		return nil
	}
	return control.New(control.Options{
		Auth: tokens, Accounts: testAccounts{db}, Demo: DemoAccount, Now: c.Now,
		Base:    control.Base{Runner: c.Runner, Faults: c.Faults},
		Secrets: api.SecretsByOperation(),
	})
}

// testAccounts are the accounts that tests create.
type testAccounts struct{ db store.Store }

// OpenAccount implements control.Accounts.
func (t testAccounts) OpenAccount(ctx context.Context, until time.Time) (control.Account, error) {
	a := control.Account{
		ID: "test-" + strings.ToLower(rand.Text()), Token: auth.Mint(), ExpiresAt: until,
		AgentID: DemoAgent, EnvironmentID: DemoEnvironment, MemoryStoreID: DemoMemoryStore,
	}
	err := t.db.Atomically(ctx, func(ctx context.Context) error {
		if err := seedAccount(ctx, t.db, a.ID); err != nil {
			return err
		}
		token, err := t.db.CreateToken(ctx, store.NewToken{Account: a.ID, Name: "test", Hash: auth.Hash(a.Token), ExpiresAt: &until})
		a.TokenID = token.ID
		return err
	})
	return a, err
}

// CloseAccount implements control.Accounts.
func (t testAccounts) CloseAccount(ctx context.Context, a control.Account) error {
	_, err := t.db.RevokeToken(ctx, a.TokenID)
	return err
}
