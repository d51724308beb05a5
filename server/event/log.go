package event

import (
	"context"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/store"
)

// Log appends to sessions' logs, and holds each event against the contract before it is stored.
type Log struct {
	store  store.Store
	schema *contract.Schema
}

// NewLog returns the logs of a store, with the contract's schema Event.
func NewLog(s store.Store, c *contract.Contract) *Log {
	return &Log{store: s, schema: c.Schema("Event")}
}

// Add adds an event to those that are appended.
type Add func(kind, turnID string, p Payload) (store.Event, error)

// Append is store.Events.AppendEvents with typed payloads. An event that breaks the contract is a
// *contract.Violation, and nothing is stored.
func (l *Log) Append(ctx context.Context, session store.SessionRef, change func(s *store.Session, add Add) error) (store.Session, error) {
	return l.AppendNew(ctx, session, func(s *store.Session, add func(store.NewEvent) (store.Event, error)) error {
		return change(s, func(kind, turnID string, p Payload) (store.Event, error) {
			n, err := New(kind, turnID, p)
			if err != nil {
				return store.Event{}, err
			}
			return add(n)
		})
	})
}

// AppendNew is Append for events that are made already.
func (l *Log) AppendNew(ctx context.Context, session store.SessionRef, change func(s *store.Session, add func(store.NewEvent) (store.Event, error)) error) (store.Session, error) {
	return l.store.AppendEvents(ctx, session.Account, session.ID, func(s *store.Session, add func(store.NewEvent) (store.Event, error)) error {
		return change(s, func(n store.NewEvent) (store.Event, error) {
			e, err := add(n)
			if err != nil {
				return store.Event{}, err
			}
			if violation := l.schema.Check(Wire(e)); violation != nil {
				violation.Operation = e.Type
				return store.Event{}, violation
			}
			return e, nil
		})
	})
}
