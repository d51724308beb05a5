package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/store"
)

// note is a notification between the stores on one database. The notes of one transaction arrive after its commit,
// those about one session in order.
type note struct {
	// From is the store that sends the note, and ignores it.
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
	// Queued is whether a turn was enqueued.
	Queued bool `json:"queued,omitempty"`
	// Work is an environment of the account for which a work item was queued.
	Work string `json:"work,omitempty"`
}

// maxNote is the most bytes of text in a note: PostgreSQL accepts payloads of less than 8,000 bytes, and JSON may
// escape one byte as six.
const maxNote = 1200

// signal notifies the watchers in every process once ctx's transaction has committed, or may have.
func (s *Store) signal(ctx context.Context, signal store.Signal) error {
	s.afterCommit(ctx, func() { s.hub.send(signal) })
	s.afterUndo(ctx, func(unknown bool) {
		if unknown {
			s.doubts.Add(signal.Session, struct{}{}, 1)
			s.recent.forget(signal.Session)
			s.hub.send(signal)
		}
	})
	return s.notify(ctx, note{Account: signal.Session.Account, Session: signal.Session.ID, State: signal.State})
}

// notify sends a note to the other stores once ctx's transaction has committed.
func (s *Store) notify(ctx context.Context, n note) error {
	if s.db.Notifier == nil {
		return nil
	}
	payload, err := s.payload(n)
	if err != nil {
		return err
	}
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	return s.db.Notifier.Notify(ctx, sc.tx, payload)
}

// payload returns a note of this store as it is sent.
func (s *Store) payload(n note) (string, error) {
	n.From = s.id
	payload, err := json.Marshal(n)
	return string(payload), err
}

// notified receives a note of another store.
func (s *Store) notified(payload string) {
	var n note
	if err := json.Unmarshal([]byte(payload), &n); err != nil || n.From == s.id && !s.doubted(n) {
		return // a payload that is not a note was not meant for stores
	}
	if n.Revoked {
		_ = s.db.Revocations.Add() // it is in memory and does not fail
	}
	if n.Queued {
		s.db.Queue.Wake()
	}
	if n.Work != "" {
		s.workBells.ring(environmentKey{n.Account, n.Work})
	}
	if n.Session == "" {
		return
	}
	signal := store.Signal{Session: store.SessionRef{Account: n.Account, ID: n.Session}, State: n.State}
	if n.Event == "" {
		s.recent.forget(signal.Session)
	} else {
		signal.Increment = &store.Increment{Session: signal.Session, EventID: n.Event, Offset: n.Offset, Text: n.Text}
	}
	s.hub.send(signal)
}

// doubted reports whether a note of this store's own tells what the store may not know: the transaction of a failed commit
// that took effect later.
func (s *Store) doubted(n note) bool {
	_, ok := s.doubts.Get(store.SessionRef{Account: n.Account, ID: n.Session})
	return ok && n.Event == ""
}

// missed signals that notes may have been lost.
func (s *Store) missed() {
	_ = s.db.Revocations.Add()
	s.db.Queue.Wake()
	s.workBells.ringAll()
	s.recent.forget(store.SessionRef{})
	s.hub.send(store.Signal{})
}

// publish sends an increment to the other stores at once.
func (s *Store) publish(ctx context.Context, inc store.Increment) error {
	payloads, err := s.payloadsOf(inc)
	if len(payloads) == 0 {
		return err
	}
	return s.db.Notifier.Publish(ctx, payloads)
}

// notifyOf sends an increment to the other stores once ctx's transaction has committed.
func (s *Store) notifyOf(ctx context.Context, inc store.Increment) error {
	payloads, err := s.payloadsOf(inc)
	if len(payloads) == 0 {
		return err
	}
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	for _, payload := range payloads {
		if err := s.db.Notifier.Notify(ctx, sc.tx, payload); err != nil {
			return err
		}
	}
	return nil
}

// payloadsOf returns an increment in as many notes as it needs, none where no other store listens.
func (s *Store) payloadsOf(inc store.Increment) (payloads []string, err error) {
	if s.db.Notifier == nil {
		return nil, nil
	}
	for rest, offset := inc.Text, inc.Offset; rest != ""; {
		part := text.Cut(rest, maxNote)
		payload, err := s.payload(note{Account: inc.Session.Account, Session: inc.Session.ID, Event: inc.EventID, Offset: offset, Text: part})
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, payload)
		rest, offset = rest[len(part):], offset+len(part)
	}
	return payloads, nil
}
