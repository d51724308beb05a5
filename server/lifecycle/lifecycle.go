package server

import (
	"fmt"

	"github.com/cloud-sessions/sessions/server/store"
)

// trigger is something that happens to a session.
type trigger string

// The triggers.
const (
	onMessage   trigger = "message"    // a user.message arrives
	onTurnEnded trigger = "turn ended" // the turn's work has stopped, whatever the reason
	onCancel    trigger = "cancel"
	onChange    trigger = "change" // of title, metadata or resources
	onArchive   trigger = "archive"
	onDelete    trigger = "delete"
)

// phase is where a session stands in its life: its status, or archived, which no status undoes.
type phase string

// The phases; deleted is where nothing happens any more.
const (
	idle       = phase(store.StatusIdle)
	processing = phase(store.StatusProcessing)
	canceling  = phase(store.StatusCanceling)
	cancelled  = phase(store.StatusCancelled)
	archived   = phase("archived")
	deleted    = phase("deleted")
)

// move is what a trigger does in a phase: where it leads, or why it is refused.
type move struct {
	to      phase
	refused string // the end of a sentence that starts with the session
}

const (
	busyTurn      = "is processing a turn. Cancel it or wait for its end."
	takesNoChange = "is archived and takes no changes."
	takesNoEvents = "is archived and takes no new events."
)

// lifecycle is a session's whole life (decisions "status", "archive", "delete").
var lifecycle = map[phase]map[trigger]move{
	idle: {
		onMessage: {to: processing}, onTurnEnded: {to: idle}, onCancel: {to: idle},
		onChange: {to: idle}, onArchive: {to: archived}, onDelete: {to: deleted},
	},
	processing: {
		onMessage: {refused: busyTurn}, onTurnEnded: {to: idle}, onCancel: {to: canceling},
		onChange: {to: processing}, onArchive: {refused: busyTurn}, onDelete: {refused: busyTurn},
	},
	canceling: {
		onMessage: {refused: busyTurn}, onTurnEnded: {to: cancelled}, onCancel: {to: canceling},
		onChange: {to: canceling}, onArchive: {refused: busyTurn}, onDelete: {refused: busyTurn},
	},
	cancelled: {
		onMessage: {to: processing}, onTurnEnded: {to: cancelled}, onCancel: {to: cancelled},
		onChange: {to: cancelled}, onArchive: {to: archived}, onDelete: {to: deleted},
	},
	archived: {
		onMessage: {refused: takesNoEvents}, onTurnEnded: {to: archived}, onCancel: {to: archived},
		onChange: {refused: takesNoChange}, onArchive: {to: archived}, onDelete: {to: deleted},
	},
}

// phaseOf returns where a session stands.
func phaseOf(s store.Session) phase {
	if s.ArchivedAt != nil {
		return archived
	}
	return phase(s.Status)
}

// advance lets a trigger happen to a session. What the lifecycle refuses is a *store.StateError and
// changes nothing.
func (h *handler) advance(s *store.Session, t trigger) error {
	m, known := lifecycle[phaseOf(*s)][t]
	switch {
	case !known:
		return fmt.Errorf("session %s: no move from %q on %q", s.ID, phaseOf(*s), t)
	case m.refused != "":
		return &store.StateError{Noun: store.NounSession, ID: s.ID, Problem: m.refused}
	case m.to == deleted:
		return nil
	case m.to == archived && s.ArchivedAt == nil:
		s.ArchivedAt = new(h.now())
	case m.to != archived:
		s.Status = store.Status(m.to)
	}
	return nil
}
