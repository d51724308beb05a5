package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/store"
)

// note is what stores on one database tell each other. Notes of one transaction come after its commit, and those of
// one session in their order.
type note struct {
	// From is the store that tells: it knows already.
	From    string `json:"from"`
	Account string `json:"account,omitempty"`
	Session string `json:"session,omitempty"`
	State   bool   `json:"state,omitempty"`
	// Event, Offset and Text are an increment.
	Event  string `json:"event,omitempty"`
	Offset int    `json:"offset,omitempty"`
	Text   string `json:"text,omitempty"`
	// Revoked is whether a token was revoked.
	Revoked bool `json:"revoked,omitempty"`
}

// maxNote is the most bytes of text in a note: PostgreSQL takes payloads of less than 8,000 bytes, and JSON may write
// one byte as six.
const maxNote = 1200

// signal tells those who watch, in every process, once ctx's transaction has committed.
func (s *Store) signal(ctx context.Context, signal store.Signal) error {
	s.afterCommit(ctx, func() { s.hub.tell(signal) })
	return s.tell(ctx, note{Account: signal.Session.Account, Session: signal.Session.ID, State: signal.State})
}

// tell tells the other stores, once ctx's transaction has committed.
func (s *Store) tell(ctx context.Context, n note) error {
	if s.db.Notifier == nil {
		return nil
	}
	n.From = s.id
	payload, err := json.Marshal(n)
	if err != nil {
		return err
	}
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	return s.db.Notifier.Notify(ctx, sc.tx, string(payload))
}

// told takes a note of another store.
func (s *Store) told(payload string) {
	var n note
	if err := json.Unmarshal([]byte(payload), &n); err != nil || n.From == s.id {
		return // what is no note was not meant for us
	}
	if n.Revoked {
		_ = s.db.Revocations.Add() // in memory it does not fail
	}
	if n.Session == "" {
		return
	}
	signal := store.Signal{Session: store.SessionRef{Account: n.Account, ID: n.Session}, State: n.State}
	if n.Event != "" {
		signal.Increment = &store.Increment{Session: signal.Session, EventID: n.Event, Offset: n.Offset, Text: n.Text}
	}
	s.hub.tell(signal)
}

// missed says that notes may have been lost.
func (s *Store) missed() {
	_ = s.db.Revocations.Add()
	s.hub.tell(store.Signal{})
}

// publish tells the other stores of an increment, in as many notes as it takes.
func (s *Store) publish(ctx context.Context, inc store.Increment) error {
	if s.db.Notifier == nil {
		return nil
	}
	return s.Atomically(ctx, func(ctx context.Context) error {
		for rest, offset := inc.Text, inc.Offset; rest != ""; {
			part := text.Cut(rest, maxNote)
			if err := s.tell(ctx, note{Account: inc.Session.Account, Session: inc.Session.ID, Event: inc.EventID, Offset: offset, Text: part}); err != nil {
				return err
			}
			rest, offset = rest[len(part):], offset+len(part)
		}
		return nil
	})
}
