package storetest

import (
	"context"
	"fmt"

	"github.com/cloud-sessions/sessions/server/store"
)

// everyWrite calls every method that writes.
func (b *bed) everyWrite(ctx context.Context) {
	b.Helper()
	for _, write := range writes() {
		check(b.T, write(ctx, b))
	}
}

// writes has a call of every method that writes; they succeed in this order, and again.
func writes() []func(ctx context.Context, s store.Store) error {
	spec := store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID}
	list := []func(ctx context.Context, s store.Store) error{
		func(ctx context.Context, s store.Store) error { return seedParents(ctx, s, account) },
		func(ctx context.Context, s store.Store) error {
			_, err := s.CreateAgent(ctx, account, agentSpec())
			return err
		},
		func(ctx context.Context, s store.Store) error {
			_, err := s.CreateEnvironment(ctx, account, environmentSpec())
			return err
		},
		func(ctx context.Context, s store.Store) error {
			_, err := s.CreateSession(ctx, account, spec)
			return err
		},
		func(ctx context.Context, s store.Store) error {
			v, err := s.CreateSession(ctx, account, spec)
			if err != nil {
				return err
			}
			_, _, err = s.AppendEvents(ctx, account, v.ID, startThen(no))
			return err
		},
		func(ctx context.Context, s store.Store) error {
			tokens, err := s.ListTokens(ctx, "")
			if err != nil {
				return err
			}
			t, err := s.CreateToken(ctx, store.NewToken{Account: account, Hash: fmt.Sprint(len(tokens))})
			if err != nil {
				return err
			}
			_, err = s.RevokeToken(ctx, t.ID)
			return err
		},
		func(ctx context.Context, s store.Store) error {
			recorded, err := s.ClaimKey(ctx, key("every"))
			if err != nil || recorded != nil {
				return err
			}
			return s.RecordReply(ctx, key("every"), reply())
		},
	}
	for _, k := range kinds() {
		list = append(list, func(ctx context.Context, s store.Store) error {
			r, err := k.create(ctx, s, account)
			if err != nil {
				return err
			}
			if _, err := k.rename(ctx, s, account, r.id, "new", no); err != nil {
				return err
			}
			if _, err := k.archive(ctx, s, account, r.id, seedAt()); err != nil {
				return err
			}
			if r, err = k.create(ctx, s, account); err != nil {
				return err
			}
			return k.remove(ctx, s, account, r.id)
		})
	}
	return list
}

// hasNothing fails the test unless nothing of everyWrite is there.
func (b *bed) hasNothing() {
	b.Helper()
	for _, k := range kinds() {
		list, err := k.list(b.ctx, b, account, store.Page{Limit: 1, IncludeArchived: true})
		check(b.T, err)
		equal(b.T, k.name+"s", 0, len(list.Items))
	}
	tokens, err := b.ListTokens(b.ctx, "")
	check(b.T, err)
	equal(b.T, "tokens", 0, len(tokens))
	recorded, err := b.ClaimKey(b.ctx, key("every"))
	check(b.T, err)
	equal(b.T, "reply", nil, recorded)
}

// calls has a call of every method.
func calls() []func(ctx context.Context, s store.Store) error {
	page := store.Page{Limit: 1}
	list := writes()
	for _, k := range kinds() {
		list = append(list,
			func(ctx context.Context, s store.Store) error { _, err := k.get(ctx, s, account, "x"); return err },
			func(ctx context.Context, s store.Store) error { _, err := k.list(ctx, s, account, page); return err },
			func(ctx context.Context, s store.Store) error {
				_, err := k.rename(ctx, s, account, "x", "", no)
				return err
			},
			func(ctx context.Context, s store.Store) error {
				_, err := k.archive(ctx, s, account, "x", seedAt())
				return err
			},
			func(ctx context.Context, s store.Store) error { return k.remove(ctx, s, account, "x") },
		)
	}
	return append(list,
		func(ctx context.Context, s store.Store) error {
			_, err := s.UpdateAgent(ctx, account, "x", 1, func(*store.AgentSpec) error { return nil })
			return err
		},
		func(ctx context.Context, s store.Store) error {
			_, err := s.ListAgentVersions(ctx, account, "x", page)
			return err
		},
		func(ctx context.Context, s store.Store) error {
			_, _, err := s.AppendEvents(ctx, account, "x", adding())
			return err
		},
		func(ctx context.Context, s store.Store) error {
			_, err := s.ListEvents(ctx, account, "x", store.EventFilter{}, page)
			return err
		},
		func(ctx context.Context, s store.Store) error { _, err := s.SweepEvents(ctx, 1); return err },
		func(ctx context.Context, s store.Store) error {
			_, err := s.CountBusySessions(ctx, account, 1)
			return err
		},
		func(ctx context.Context, s store.Store) error { return s.QueueTurn(ctx, store.TurnRef{}) },
		func(ctx context.Context, s store.Store) error { return s.Publish(ctx, store.Increment{}) },
		func(ctx context.Context, s store.Store) error {
			_, err := s.SessionRevision(ctx, account, "x")
			return err
		},
		func(ctx context.Context, s store.Store) error { return s.Ping(ctx) },
		func(ctx context.Context, s store.Store) error {
			return s.Atomically(ctx, func(context.Context) error { return nil })
		},
		func(ctx context.Context, s store.Store) error { _, err := s.TokenByHash(ctx, "h"); return err },
		func(ctx context.Context, s store.Store) error { _, err := s.ListTokens(ctx, account); return err },
		func(ctx context.Context, s store.Store) error { _, err := s.RevokeToken(ctx, "tok_x"); return err },
		func(ctx context.Context, s store.Store) error { return s.RecordReply(ctx, key("x"), reply()) },
		func(ctx context.Context, s store.Store) error { _, err := s.SweepKeys(ctx, 1); return err },
	)
}
