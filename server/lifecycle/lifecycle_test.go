package server

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

var triggers = []trigger{onMessage, onTurnEnded, onCancel, onChange, onArchive, onDelete}

// TestTheLifecycleIsWhole asks for a move in each phase on each trigger, to a phase that there is.
func TestTheLifecycleIsWhole(t *testing.T) {
	if len(lifecycle) != 5 {
		t.Errorf("%d phases", len(lifecycle))
	}
	for from, moves := range lifecycle {
		if len(moves) != len(triggers) {
			t.Errorf("%s: %d triggers", from, len(moves))
		}
		for on, m := range moves {
			if (m.to == "") == (m.refused == "") {
				t.Errorf("%s on %s neither leads on nor is refused, or both", from, on)
			}
			if m.to != "" && m.to != deleted && lifecycle[m.to] == nil {
				t.Errorf("%s on %s leads to %q", from, on, m.to)
			}
		}
	}
}

// expected tells the story of the decisions in plain words, to hold the table against it.
func expected(from phase, on trigger) (to phase, allowed bool) {
	busy := from == processing || from == canceling
	switch {
	case on == onDelete:
		return deleted, !busy
	case on == onArchive:
		return archived, !busy
	case from == archived:
		return archived, on == onCancel || on == onTurnEnded
	case on == onMessage:
		return processing, !busy
	case on == onCancel && busy:
		return canceling, true
	case on == onTurnEnded && from == processing:
		return idle, true
	case on == onTurnEnded && from == canceling:
		return cancelled, true
	}
	return from, true
}

// TestRandomLives walks sessions of a real store through random triggers.
func TestRandomLives(t *testing.T) {
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.SeedAgent(t.Context(), "a", demoAgent()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SeedEnvironment(t.Context(), "a", demoEnvironment()); err != nil {
		t.Fatal(err)
	}
	h := &handler{store: db, now: time.Now}
	random := rand.New(rand.NewPCG(1, 2))
	met := map[phase]int{}
	for range 300 {
		session, err := db.CreateSession(t.Context(), "a", store.SessionSpec{AgentID: DemoAgent, EnvironmentID: DemoEnvironment})
		if err != nil {
			t.Fatal(err)
		}
		id, at := session.ID, idle
		for step := 0; step < 12 && at != deleted; step++ {
			met[at]++
			on := triggers[random.IntN(len(triggers))]
			if on == onDelete && step < 8 {
				on = onMessage
			}
			want, allowed := expected(at, on)
			if on == onDelete {
				err = db.DeleteSession(t.Context(), "a", id, func(s store.Session) error { return h.advance(&s, on) })
			} else {
				session, err = db.UpdateSession(t.Context(), "a", id, func(s *store.Session) error { return h.advance(s, on) })
			}
			if (err == nil) != allowed || (err != nil && !errors.Is(err, store.ErrConflict)) {
				t.Fatalf("%s on %s: %v", at, on, err)
			}
			if !allowed {
				session, err = db.GetSession(t.Context(), "a", id)
				if err != nil || phaseOf(session) != at {
					t.Fatalf("%s on %s was refused and led to %s, %v", at, on, phaseOf(session), err)
				}
				continue
			}
			at = want
			if at != deleted && phaseOf(session) != at {
				t.Fatalf("on %s: %s, want %s", on, phaseOf(session), at)
			}
		}
	}
	for _, p := range []phase{idle, processing, canceling, cancelled, archived} {
		if met[p] == 0 {
			t.Errorf("no session was ever %s", p)
		}
	}
}
