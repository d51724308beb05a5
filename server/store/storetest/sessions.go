package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Sessions tests CreateSession and GetSession.
func (suite) Sessions() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			agent, environment := b.agent(), b.environment()
			b.clock.advance(time.Hour)
			spec := b.sessionSpec(account, agent.ID, environment.ID)
			got, err := b.CreateSession(b.ctx, account, spec)
			check(b.T, err)
			now := b.clock.stamp()
			want := store.Session{
				ID: got.ID, Agent: agent, EnvironmentID: environment.ID, Title: spec.Title, Status: store.StatusIdle,
				Metadata: spec.Metadata, EnvironmentVariables: spec.EnvironmentVariables,
				DeltaFlushInterval: spec.DeltaFlushInterval,
				MemoryStoreIDs:     []string{}, VaultIDs: spec.VaultIDs,
				Resources: []store.Resource{
					{FileID: "file_1", MountPath: "/mnt/session/uploads/file_1", CreatedAt: now, UpdatedAt: now},
					{FileID: "file_2", MountPath: "/data/report.csv", CreatedAt: now, UpdatedAt: now},
				},
				CreatedAt: now, UpdatedAt: now,
			}
			for i := range got.Resources {
				hasPrefix(b.T, "sesr_", got.Resources[i].ID)
				want.Resources[i].ID = got.Resources[i].ID
			}
			hasPrefix(b.T, "sess_", got.ID)
			equal(b.T, "session", want, got)
			b.readsBack(got)
		},
		"Bare": func(b *bed) {
			got, err := b.CreateSession(b.ctx, account,
				store.SessionSpec{AgentID: b.agent().ID, EnvironmentID: b.environment().ID})
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{}, got.Metadata)
			equal(b.T, "environment variables", map[string]string{}, got.EnvironmentVariables)
			equal(b.T, "memory stores", []string{}, got.MemoryStoreIDs)
			equal(b.T, "vaults", []string{}, got.VaultIDs)
			equal(b.T, "resources", []store.Resource{}, got.Resources)
			equal(b.T, "usage", store.Usage{}, got.Usage)
			b.readsBack(got)
		},
		"PinnedVersion": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			for asked, kept := range map[int32]int32{0: 3, 1: 1, 2: 2, 3: 3} {
				spec := b.sessionSpec(account, seedAgentID, seedEnvironmentID)
				spec.AgentVersion = asked
				got, err := b.CreateSession(b.ctx, account, spec)
				check(b.T, err)
				want := seedAgent()
				want.Version = kept
				equal(b.T, "agent", want, got.Agent)
				b.readsBack(got)
			}
		},
		"SnapshotStays": func(b *bed) {
			first := b.agent()
			environment := b.environment().ID
			old, err := b.CreateSession(b.ctx, account, b.sessionSpec(account, first.ID, environment))
			check(b.T, err)
			b.clock.advance(time.Hour)
			second, err := b.UpdateAgent(b.ctx, account, first.ID, 1, func(spec *store.AgentSpec) error {
				spec.Name = "second"
				return nil
			})
			check(b.T, err)
			b.readsBack(old)
			pinned := b.sessionSpec(account, first.ID, environment)
			pinned.AgentVersion = 1
			for want, spec := range map[*store.Agent]store.SessionSpec{
				&first: pinned, &second: b.sessionSpec(account, first.ID, environment),
			} {
				b.clock.advance(time.Hour)
				got, err := b.CreateSession(b.ctx, account, spec)
				check(b.T, err)
				equal(b.T, "agent", *want, got.Agent)
				b.readsBack(got)
			}
			fresh, err := b.CreateSession(b.ctx, account, b.sessionSpec(account, first.ID, environment))
			check(b.T, err)
			b.clock.advance(time.Hour)
			_, err = b.ArchiveAgent(b.ctx, account, first.ID)
			check(b.T, err)
			b.readsBack(fresh)
			check(b.T, b.DeleteAgent(b.ctx, account, first.ID))
			b.readsBack(fresh)
			b.reads(sessionKind(), account, sessionRow(old))
		},
		"DeletedParents": func(b *bed) {
			agent, environment := b.agent().ID, b.environment().ID
			check(b.T, b.DeleteEnvironment(b.ctx, account, environment))
			_, err := b.CreateSession(b.ctx, account, b.sessionSpec(account, agent, environment))
			missing(b.T, store.MissingError{Noun: store.NounEnvironment, ID: environment}, err)
			check(b.T, b.DeleteAgent(b.ctx, account, agent))
			_, err = b.CreateSession(b.ctx, account, b.sessionSpec(account, agent, environment))
			missing(b.T, store.MissingError{Noun: store.NounAgent, ID: agent}, err)
			b.noSessions()
		},
		"AgentDeletedMeanwhile": func(b *bed) {
			agent, environment := b.agent().ID, b.environment().ID
			err := b.createsDuring(b.sessionSpec(account, agent, environment), func(ctx context.Context) error { return b.DeleteAgent(ctx, account, agent) })
			missing(b.T, store.MissingError{Noun: store.NounAgent, ID: agent}, err)
			b.noSessions()
		},
		"EnvironmentDeletedMeanwhile": func(b *bed) {
			agent, environment := b.agent().ID, b.environment().ID
			err := b.createsDuring(b.sessionSpec(account, agent, environment), func(ctx context.Context) error { return b.DeleteEnvironment(ctx, account, environment) })
			missing(b.T, store.MissingError{Noun: store.NounEnvironment, ID: environment}, err)
			b.noSessions()
		},
		"Missing": func(b *bed) {
			agent, environment := b.agent().ID, b.environment().ID
			for _, c := range []struct {
				agent       string
				version     int32
				environment string
				want        store.MissingError
			}{
				{"agent_x", 0, environment, store.MissingError{Noun: store.NounAgent, ID: "agent_x"}},
				{"agent_x", 7, environment, store.MissingError{Noun: store.NounAgent, ID: "agent_x"}},
				{agent, 7, environment, store.MissingError{Noun: store.NounAgent, ID: agent, Version: 7}},
				{agent, 0, "env_x", store.MissingError{Noun: store.NounEnvironment, ID: "env_x"}},
				{"agent_x", 0, "env_x", store.MissingError{Noun: store.NounAgent, ID: "agent_x"}},
			} {
				_, err := b.CreateSession(b.ctx, account,
					store.SessionSpec{AgentID: c.agent, AgentVersion: c.version, EnvironmentID: c.environment})
				missing(b.T, c.want, err)
			}
			b.noSessions()
		},
		"Archived": func(b *bed) {
			at := seedAt()
			deadAgent, deadEnvironment := seedAgent(), seedEnvironment()
			deadAgent.ID, deadAgent.ArchivedAt = "agent_dead", &at
			deadEnvironment.ID, deadEnvironment.ArchivedAt = "env_dead", &at
			check(b.T, seedParents(b.ctx, b, account))
			_, err := b.SeedAgent(b.ctx, account, deadAgent)
			check(b.T, err)
			_, err = b.SeedEnvironment(b.ctx, account, deadEnvironment)
			check(b.T, err)
			for _, c := range []struct{ agent, environment, id string }{
				{"agent_dead", seedEnvironmentID, "agent_dead"},
				{"agent_dead", "env_unknown", "agent_dead"},
				{"agent_dead", "env_dead", "agent_dead"},
				{seedAgentID, "env_dead", "env_dead"},
			} {
				_, err := b.CreateSession(b.ctx, account, store.SessionSpec{AgentID: c.agent, EnvironmentID: c.environment})
				fails(b.T, c.id, store.ErrArchived, err)
				var archived *store.ArchivedError
				if !errors.As(err, &archived) || archived.ID != c.id {
					b.Errorf("want an ArchivedError of %s, got %v", c.id, err)
				}
			}
			b.noSessions()
		},
		"NotFound": func(b *bed) {
			_, err := b.GetSession(b.ctx, account, "sess_unknown")
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: "sess_unknown"}, err)
		},
	}
}

// sessionSpec returns a session with a value in each of its fields. It creates the files that the session refers to.
func (b *bed) sessionSpec(account, agent, environment string) store.SessionSpec {
	b.Helper()
	b.files(account, "file_1", "file_2")
	return store.SessionSpec{
		AgentID: agent, EnvironmentID: environment, Title: "我的会话 'x'",
		Metadata:             map[string]string{"purpose": "customer-support"},
		EnvironmentVariables: map[string]string{"LOG_LEVEL": "debug"},
		DeltaFlushInterval:   150 * time.Millisecond,
		VaultIDs:             []string{"vault_1"},
		Resources:            []store.ResourceSpec{{FileID: "file_1"}, {FileID: "file_2", MountPath: "/data/report.csv"}},
	}
}

// createsDuring creates a session while a transaction that has called do has not ended, and returns the creation's error.
func (b *bed) createsDuring(spec store.SessionSpec, do func(ctx context.Context) error) error {
	b.Helper()
	created := make(chan error, 1)
	check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		go func() {
			_, err := b.CreateSession(b.ctx, account, spec)
			created <- err
		}()
		time.Sleep(100 * time.Millisecond) // for the creation to begin
		return nil
	}))
	return <-created
}

// readsBack fails the test unless the store returns the session, alone and in lists, as it was created.
func (b *bed) readsBack(want store.Session) {
	b.Helper()
	got, err := b.GetSession(b.ctx, account, want.ID)
	check(b.T, err)
	equal(b.T, "session read", want, got)
	utc(b.T, got.CreatedAt, got.UpdatedAt, got.Agent.CreatedAt, got.Agent.UpdatedAt)
	for _, r := range got.Resources {
		utc(b.T, r.CreatedAt, r.UpdatedAt)
	}
	list, err := b.ListSessions(b.ctx, account, store.SessionFilter{}, store.Page{Limit: 1})
	check(b.T, err)
	equal(b.T, "newest session", []store.Session{want}, list.Items)
}

func (b *bed) noSessions() {
	b.Helper()
	list, err := b.ListSessions(b.ctx, account, store.SessionFilter{}, store.Page{Limit: 1})
	check(b.T, err)
	equal(b.T, "sessions", store.List[store.Session]{Items: []store.Session{}}, list)
}

func missing(t *testing.T, want store.MissingError, err error) {
	t.Helper()
	fails(t, want.Error(), store.ErrNotFound, err)
	var got *store.MissingError
	if !errors.As(err, &got) {
		t.Errorf("want a MissingError, got %v", err)
		return
	}
	equal(t, "error", want, *got)
}

func hasPrefix(t *testing.T, prefix, id string) {
	t.Helper()
	if len(id) <= len(prefix) || id[:len(prefix)] != prefix {
		t.Errorf("want an id with %q, got %q", prefix, id)
	}
}
