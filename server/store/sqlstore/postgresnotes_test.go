package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// listening opens a store on a database and returns what it is told of, once it listens.
func listening(t *testing.T, url string) (*Store, <-chan store.Signal) {
	t.Helper()
	s := openPostgresTest(t, url)
	signals := make(chan store.Signal, 1000)
	t.Cleanup(s.Watch(func(signal store.Signal) { signals <- signal }))
	next(t, signals, func(s store.Signal) bool { return s == (store.Signal{}) })
	return s, signals
}

// next returns the next signal that is wanted.
func next(t *testing.T, signals <-chan store.Signal, wanted func(store.Signal) bool) store.Signal {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case s := <-signals:
			if wanted(s) {
				return s
			}
		case <-late:
			t.Fatal("the signal does not come")
		}
	}
}

func aSession(t *testing.T, s *Store) store.SessionRef {
	t.Helper()
	none := json.RawMessage("[]")
	agent, err := s.CreateAgent(t.Context(), "acme", store.AgentSpec{Name: "a", Model: "m", Tools: none, MCPServers: none, Skills: none})
	check(t, err)
	environment, err := s.CreateEnvironment(t.Context(), "acme", store.EnvironmentSpec{Name: "e", Config: json.RawMessage("{}")})
	check(t, err)
	session, err := s.CreateSession(t.Context(), "acme", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
	check(t, err)
	return store.SessionRef{Account: "acme", ID: session.ID}
}

func TestStoresTellEachOther(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	here, own := listening(t, url)
	there, signals := listening(t, url)
	session := aSession(t, here)
	set := func(status store.Status, events int) {
		t.Helper()
		_, _, err := here.AppendEvents(t.Context(), session.Account, session.ID, func(s *store.Session) ([]store.NewEvent, error) {
			s.Status = status
			return slices.Repeat([]store.NewEvent{{Type: "x", Payload: json.RawMessage("{}")}}, events), nil
		})
		check(t, err)
	}
	any := func(store.Signal) bool { return true }
	set(store.StatusIdle, 1)
	if diff := cmp.Diff(store.Signal{Session: session}, next(t, signals, any)); diff != "" {
		t.Error(diff)
	}
	set(store.StatusProcessing, 0)
	if diff := cmp.Diff(store.Signal{Session: session, State: true}, next(t, signals, any)); diff != "" {
		t.Error(diff)
	}

	text := strings.Repeat("<é>\x01", 2000) // of which JSON makes more
	check(t, here.Publish(t.Context(), store.Increment{Session: session, EventID: "evt_1", Offset: 7, Text: text}))
	joined := ""
	for joined != text {
		inc := next(t, signals, any).Increment
		if inc == nil || inc.EventID != "evt_1" || inc.Session != session || inc.Offset != 7+len(joined) || !strings.HasPrefix(text[len(joined):], inc.Text) {
			t.Fatalf("%+v after %d bytes", inc, len(joined))
		}
		joined += inc.Text
	}

	before := there.Revocations()
	token, err := here.CreateToken(t.Context(), store.NewToken{Account: "acme", Hash: "h"})
	check(t, err)
	_, err = here.RevokeToken(t.Context(), token.ID)
	check(t, err)
	for deadline := time.Now().Add(20 * time.Second); there.Revocations() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a revocation is not heard of")
		}
	}

	// What was told here was heard here once: from itself, not from the database.
	set(store.StatusIdle, 0)
	next(t, signals, func(s store.Signal) bool { return s.State })
	heard := 0
	for len(own) > 0 {
		if s := <-own; s.State {
			heard++
		}
	}
	if heard != 2 {
		t.Errorf("%d signals of 2 moves", heard)
	}
}

func TestALostConnectionMissesSignals(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	here := openPostgresTest(t, url)
	_, signals := listening(t, withSetting(t, url, "application_name", "listener"))
	session := aSession(t, here)
	// End every connection of the listener's store; it listens again, and says that it may have missed something.
	ended := column[bool](t, onPostgres(t, url), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener'`)
	if len(ended) == 0 {
		t.Fatal("nobody listens")
	}
	next(t, signals, func(s store.Signal) bool { return s == (store.Signal{}) })
	err := here.Atomically(context.Background(), func(ctx context.Context) error {
		_, err := here.UpdateSession(ctx, session.Account, session.ID, func(s *store.Session) error { s.Status = store.StatusProcessing; return nil })
		return err
	})
	check(t, err)
	next(t, signals, func(s store.Signal) bool { return s.Session == session && s.State })
}
