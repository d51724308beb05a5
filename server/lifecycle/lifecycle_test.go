package lifecycle

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

var triggers = []Trigger{OnMessage, OnEvent, OnTurnEnded, OnInterrupt, OnCancel, OnChange, OnArchive, OnDelete}

// TestTheLifecycleIsComplete demands a move in each phase on each trigger, to a phase that exists.
func TestTheLifecycleIsComplete(t *testing.T) {
	if len(table) != 6 {
		t.Errorf("%d phases", len(table))
	}
	for from, moves := range table {
		if len(moves) != len(triggers) {
			t.Errorf("%s: %d triggers", from, len(moves))
		}
		for on, m := range moves {
			if (m.to == "") == (m.refused == "") {
				t.Errorf("%s on %s neither leads on nor is refused, or both", from, on)
			}
			if m.to != "" && m.to != Deleted && table[m.to] == nil {
				t.Errorf("%s on %s leads to %q", from, on, m.to)
			}
		}
	}
}

// expected puts the decisions in plain words, to compare the table with.
func expected(from Phase, on Trigger) (to Phase, allowed bool) {
	busy := from == Processing || from == Canceling || from == Interrupting
	switch {
	case on == OnDelete:
		return Deleted, !busy
	case on == OnArchive:
		return Archived, !busy
	case from == Archived:
		return Archived, on == OnCancel || on == OnTurnEnded
	case on == OnMessage:
		return Processing, !busy
	case on == OnCancel && busy:
		return Canceling, true
	case on == OnInterrupt && from == Processing:
		return Interrupting, true
	case on == OnTurnEnded && (from == Processing || from == Interrupting):
		return Idle, true
	case on == OnTurnEnded && from == Canceling:
		return Cancelled, true
	}
	return from, true
}

// TestRandomLives walks sessions through random triggers.
func TestRandomLives(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	met := map[Phase]int{}
	for range 1000 {
		session := store.Session{ID: "sess_1", Status: store.StatusIdle}
		for at := Idle; at != Deleted; {
			met[at]++
			on := triggers[random.IntN(len(triggers))]
			want, allowed := expected(at, on)
			err := Advance(&session, on, now)
			if (err == nil) != allowed || err != nil && !errors.Is(err, store.ErrConflict) {
				t.Fatalf("%s on %s: %v", at, on, err)
			}
			var busy *BusyError
			if refusedMessage := on == OnMessage && !allowed && at != Archived; errors.As(err, &busy) != refusedMessage {
				t.Fatalf("%s on %s: %v", at, on, err)
			}
			if allowed {
				at = want
			}
			if at != Deleted && PhaseOf(session) != at {
				t.Fatalf("on %s: %s, want %s", on, PhaseOf(session), at)
			}
			if session.ArchivedAt != nil && !session.ArchivedAt.Equal(now) {
				t.Fatalf("archived at %v", session.ArchivedAt)
			}
		}
	}
	for phase := range table {
		if met[phase] == 0 {
			t.Errorf("no session was ever %s", phase)
		}
	}
}
