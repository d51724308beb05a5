package sqlstore

import (
	"context"
	"encoding/json"
	"unicode/utf8"

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
	if s.db.listen == nil {
		return nil
	}
	n.From = s.id
	payload, err := json.Marshal(n)
	if err == nil {
		_, err = s.exec(ctx, `SELECT pg_notify($1, $2)`, noteChannel, string(payload))
	}
	return err
}

// told takes a note of another store.
func (s *Store) told(payload string) {
	var n note
	if err := json.Unmarshal([]byte(payload), &n); err != nil || n.From == s.id {
		return // what is no note was not meant for us
	}
	if n.Revoked {
		_ = s.db.revocations.add() // in memory it does not fail
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
	_ = s.db.revocations.add()
	s.hub.tell(store.Signal{})
}

// publish tells the other stores of an increment, in as many notes as it takes.
func (s *Store) publish(ctx context.Context, inc store.Increment) error {
	if s.db.listen == nil {
		return nil
	}
	return s.Atomically(ctx, func(ctx context.Context) error {
		for text, offset := inc.Text, inc.Offset; text != ""; {
			n := min(maxNote, len(text))
			for n < len(text) && !utf8.RuneStart(text[n]) {
				n--
			}
			if err := s.tell(ctx, note{Account: inc.Session.Account, Session: inc.Session.ID, Event: inc.EventID, Offset: offset, Text: text[:n]}); err != nil {
				return err
			}
			text, offset = text[n:], offset+n
		}
		return nil
	})
}
