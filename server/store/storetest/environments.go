package storetest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Environments tests the methods of environments that other rows do not have.
func (suite) Environments() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			got, err := b.CreateEnvironment(b.ctx, account, environmentSpec())
			check(b.T, err)
			equal(b.T, "environment", store.Environment{
				EnvironmentSpec: environmentSpec(), ID: "env_000001",
				CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
			}, got)
			utc(b.T, got.CreatedAt, got.UpdatedAt)
			read, err := b.GetEnvironment(b.ctx, account, got.ID)
			check(b.T, err)
			equal(b.T, "environment read", got, read)
			utc(b.T, read.CreatedAt, read.UpdatedAt)
		},
		"NoMetadata": func(b *bed) {
			spec := environmentSpec()
			spec.Metadata = nil
			made, err := b.CreateEnvironment(b.ctx, account, spec)
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{}, made.Metadata)
			read, err := b.GetEnvironment(b.ctx, account, made.ID)
			check(b.T, err)
			equal(b.T, "environment read", made, read)
		},
		"NotFound": func(b *bed) {
			_, err := b.GetEnvironment(b.ctx, account, "env_unknown")
			missing(b.T, store.MissingError{Noun: store.NounEnvironment, ID: "env_unknown"}, err)
		},
		"Update": func(b *bed) {
			made := b.environment()
			b.clock.advance(time.Hour)
			changed := store.EnvironmentSpec{Name: "2", Description: "2", Config: json.RawMessage(`{ "type": 2 }`)}
			got, err := b.UpdateEnvironment(b.ctx, account, made.ID, func(spec *store.EnvironmentSpec) error {
				equal(b.T, "what it says", environmentSpec(), *spec)
				*spec = changed
				return nil
			})
			check(b.T, err)
			changed.Metadata = map[string]string{}
			equal(b.T, "environment", store.Environment{
				EnvironmentSpec: changed, ID: made.ID, CreatedAt: made.CreatedAt, UpdatedAt: b.clock.stamp(),
			}, got)
			b.reads(environmentKind(), account, environmentRow(got))
			b.clock.advance(time.Hour)
			got.UpdatedAt = b.clock.stamp()
			again, err := b.UpdateEnvironment(b.ctx, account, made.ID, func(*store.EnvironmentSpec) error { return nil })
			check(b.T, err)
			equal(b.T, "environment in which nothing is new", got, again)
		},
		"ArchivedIsFixed": func(b *bed) {
			made := b.environment()
			archived, err := b.ArchiveEnvironment(b.ctx, account, made.ID)
			check(b.T, err)
			b.clock.advance(time.Hour)
			_, err = b.ArchiveEnvironment(b.ctx, account, made.ID)
			conflict(b.T, store.StateError{Noun: store.NounEnvironment, ID: made.ID, Reason: "is archived already."}, err)
			_, err = b.UpdateEnvironment(b.ctx, account, made.ID, func(*store.EnvironmentSpec) error {
				b.Error("a change is called for an archived environment")
				return nil
			})
			conflict(b.T, store.StateError{Noun: store.NounEnvironment, ID: made.ID, Reason: "is archived and takes no changes."}, err)
			b.reads(environmentKind(), account, environmentRow(archived))
		},
		"DeleteUsed": func(b *bed) {
			used, bystander := b.environment(), b.environment()
			foreign, err := b.CreateEnvironment(b.ctx, other, environmentSpec())
			check(b.T, err)
			agent := b.agent().ID
			var sessions []store.Session
			for range 2 {
				v, err := b.CreateSession(b.ctx, account, store.SessionSpec{AgentID: agent, EnvironmentID: used.ID})
				check(b.T, err)
				sessions = append(sessions, v)
			}
			refused := func() {
				b.Helper()
				conflict(b.T, store.StateError{Noun: store.NounEnvironment, ID: used.ID, Reason: "is used by sessions; archive it instead."},
					b.DeleteEnvironment(b.ctx, account, used.ID))
				_, err := b.GetEnvironment(b.ctx, account, used.ID)
				check(b.T, err)
			}
			refused()
			_, err = sessionKind().archive(b.ctx, b, account, sessions[0].ID, b.clock.Now())
			check(b.T, err)
			check(b.T, b.DeleteSession(b.ctx, account, sessions[1].ID, allowed))
			refused()
			_, err = b.ArchiveEnvironment(b.ctx, account, used.ID)
			check(b.T, err)
			refused()
			check(b.T, b.DeleteSession(b.ctx, account, sessions[0].ID, allowed))
			check(b.T, b.DeleteEnvironment(b.ctx, account, used.ID))
			b.gone(environmentKind(), account, used.ID)
			check(b.T, b.DeleteEnvironment(b.ctx, account, bystander.ID))
			check(b.T, b.DeleteEnvironment(b.ctx, other, foreign.ID))
		},
		"DeletedIDIsTaken": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			check(b.T, b.DeleteEnvironment(b.ctx, account, seedEnvironmentID))
			stored, err := b.SeedEnvironment(b.ctx, account, seedEnvironment())
			check(b.T, err)
			equal(b.T, "stored", false, stored)
			b.gone(environmentKind(), account, seedEnvironmentID)
		},
		"Seed": func(b *bed) {
			first := seedEnvironment()
			archived := first.CreatedAt.Add(2 * time.Hour)
			first.ArchivedAt = &archived
			second := seedEnvironment()
			second.Name = "changed"
			for i, seed := range []store.Environment{first, second} {
				stored, err := b.SeedEnvironment(b.ctx, account, seed)
				check(b.T, err)
				equal(b.T, "stored", i == 0, stored)
				got, err := b.GetEnvironment(b.ctx, account, seed.ID)
				check(b.T, err)
				equal(b.T, "environment", first, got)
			}
			stored, err := b.SeedEnvironment(b.ctx, other, second)
			check(b.T, err)
			equal(b.T, "stored for another account", true, stored)
		},
	}
}

func (b *bed) environment() store.Environment {
	b.Helper()
	e, err := b.CreateEnvironment(b.ctx, account, environmentSpec())
	check(b.T, err)
	return e
}

// conflict fails the test unless err is that StateError.
func conflict(t *testing.T, want store.StateError, err error) {
	t.Helper()
	fails(t, want.Error(), store.ErrConflict, err)
	var got *store.StateError
	if !errors.As(err, &got) {
		t.Errorf("want a StateError, got %v", err)
		return
	}
	equal(t, "error", want, *got)
}
