// Package lifecycle is a session's life as a table: in each phase, what each trigger leads to. It imports the store's
// and the errors' vocabulary only.
package lifecycle

import (
	"fmt"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

// Trigger is something that happens to a session.
type Trigger string

// The triggers.
const (
	OnMessage   Trigger = "message"    // an event arrives that starts a turn or continues one
	OnEvent     Trigger = "event"      // any other event arrives
	OnTurnEnded Trigger = "turn ended" // the turn stopped running, for whatever reason
	OnInterrupt Trigger = "interrupt"
	OnCancel    Trigger = "cancel"
	OnChange    Trigger = "change" // of title, metadata or resources
	OnArchive   Trigger = "archive"
	OnDelete    Trigger = "delete"
)

// Phase is where a session is in its life: its status, or archived, which no status undoes.
type Phase string

// The phases. Nothing happens after Deleted.
const (
	Idle         = Phase(store.StatusIdle)
	Processing   = Phase(store.StatusProcessing)
	Canceling    = Phase(store.StatusCanceling)
	Interrupting = Phase(store.StatusInterrupting)
	Cancelled    = Phase(store.StatusCancelled)
	Archived     = Phase("archived")
	Deleted      = Phase("deleted")
)

// BusyError is a message to a session that processes a turn (decision "Busy session"). Its text is for callers.
type BusyError struct{}

func (*BusyError) Error() string {
	return "Session is currently processing a turn. Cancel the current turn or wait for completion."
}

// Problem implements problem.Error. The type is the documentation's, the status that of a conflict.
func (e *BusyError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Status: http.StatusConflict, Message: e.Error()}
}

// Is reports whether target is store.ErrConflict.
func (*BusyError) Is(target error) bool { return target == store.ErrConflict }

// move is what a trigger does in a phase: the phase it leads to, or why it is refused.
type move struct {
	to      Phase
	refused string // the end of a sentence that starts with the session
}

const (
	busyTurn      = "is processing a turn. Cancel it or wait for its end."
	takesNoChange = "is archived and takes no changes."
	takesNoEvents = "is archived and takes no new events."
)

// table is a session's whole life (decisions "Status", "Archive", "Delete").
var table = map[Phase]map[Trigger]move{
	Idle: {
		OnMessage: {to: Processing}, OnEvent: {to: Idle}, OnTurnEnded: {to: Idle}, OnInterrupt: {to: Idle}, OnCancel: {to: Idle},
		OnChange: {to: Idle}, OnArchive: {to: Archived}, OnDelete: {to: Deleted},
	},
	Processing: {
		OnMessage: {refused: busyTurn}, OnEvent: {to: Processing}, OnTurnEnded: {to: Idle}, OnInterrupt: {to: Interrupting}, OnCancel: {to: Canceling},
		OnChange: {to: Processing}, OnArchive: {refused: busyTurn}, OnDelete: {refused: busyTurn},
	},
	Canceling: {
		OnMessage: {refused: busyTurn}, OnEvent: {to: Canceling}, OnTurnEnded: {to: Cancelled}, OnInterrupt: {to: Canceling}, OnCancel: {to: Canceling},
		OnChange: {to: Canceling}, OnArchive: {refused: busyTurn}, OnDelete: {refused: busyTurn},
	},
	Interrupting: {
		OnMessage: {refused: busyTurn}, OnEvent: {to: Interrupting}, OnTurnEnded: {to: Idle}, OnInterrupt: {to: Interrupting}, OnCancel: {to: Canceling},
		OnChange: {to: Interrupting}, OnArchive: {refused: busyTurn}, OnDelete: {refused: busyTurn},
	},
	Cancelled: {
		OnMessage: {to: Processing}, OnEvent: {to: Cancelled}, OnTurnEnded: {to: Cancelled}, OnInterrupt: {to: Cancelled}, OnCancel: {to: Cancelled},
		OnChange: {to: Cancelled}, OnArchive: {to: Archived}, OnDelete: {to: Deleted},
	},
	Archived: {
		OnMessage: {refused: takesNoEvents}, OnEvent: {refused: takesNoEvents}, OnTurnEnded: {to: Archived}, OnInterrupt: {refused: takesNoEvents}, OnCancel: {to: Archived},
		OnChange: {refused: takesNoChange}, OnArchive: {to: Archived}, OnDelete: {to: Deleted},
	},
}

// PhaseOf returns a session's phase.
func PhaseOf(s store.Session) Phase {
	if s.ArchivedAt != nil {
		return Archived
	}
	return Phase(s.Status)
}

// Advance applies a trigger to a session. A trigger that the session's phase does not allow changes nothing and returns
// a *store.StateError or a *BusyError; both are a store.ErrConflict.
func Advance(s *store.Session, t Trigger, now time.Time) error {
	m, known := table[PhaseOf(*s)][t]
	switch {
	case !known:
		return fmt.Errorf("session %s: no move from %q on %q", s.ID, PhaseOf(*s), t)
	case m.refused == busyTurn && t == OnMessage:
		return &BusyError{}
	case m.refused != "":
		return &store.StateError{Noun: store.NounSession, ID: s.ID, Reason: m.refused}
	case m.to == Deleted:
		return nil
	case m.to == Archived && s.ArchivedAt == nil:
		s.ArchivedAt = &now
	case m.to != Archived:
		s.Status = store.Status(m.to)
	}
	return nil
}
