package sqlstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

func eventRows() rows[store.Event] {
	return rows[store.Event]{
		table:     "events",
		selection: `SELECT r.id, r.session_id, r.turn_id, r.type, r.payload, r.created_at FROM events r`,
		scan: func(row scanner) (e store.Event, err error) {
			err = row.Scan(&e.ID, &e.SessionID, &e.TurnID, &e.Type, fromJSON{&e.Payload}, timeTo{&e.CreatedAt})
			return e, err
		},
	}
}

// NewID implements store.Events.
func (s *Store) NewID(prefix string) string { return s.newID(prefix) }

// AppendEvents implements store.Events.
func (s *Store) AppendEvents(ctx context.Context, account, session string, change func(*store.Session, func(store.NewEvent) (store.Event, error)) error) (store.Session, error) {
	return changed(ctx, s, sessionRows(), account, session, func(ctx context.Context, v *store.Session) error {
		last, err := s.lastEvent(ctx, account, session)
		if err != nil {
			return err
		}
		var added []store.Event
		add := func(n store.NewEvent) (store.Event, error) {
			last = s.following(last, n)
			added = append(added, last)
			return last, nil
		}
		moved, err := s.change(ctx, account, v, func(v *store.Session) error { return change(v, add) })
		if err != nil {
			return err
		}
		for _, e := range added {
			if err := s.addEvent(ctx, account, e); err != nil {
				return err
			}
		}
		if moved || len(added) > 0 {
			return s.signal(ctx, store.Signal{Session: store.SessionRef{Account: account, ID: session}, State: moved})
		}
		return nil
	})
}

const selectLastEvent = `SELECT id, created_at FROM events WHERE account_id = $1 AND session_id = $2 ORDER BY id DESC LIMIT 1`

// lastEvent returns the id and time of a session's latest event, none when there is no event.
func (s *Store) lastEvent(ctx context.Context, account, session string) (store.Event, error) {
	last, err := one(ctx, s, func(row scanner) (e store.Event, err error) {
		return e, row.Scan(&e.ID, timeTo{&e.CreatedAt})
	}, selectLastEvent, account, session)
	last.SessionID = session
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return last, err
}

// following makes n the event that comes after last.
func (s *Store) following(last store.Event, n store.NewEvent) store.Event {
	e := store.Event{ID: n.ID, SessionID: last.SessionID, TurnID: n.TurnID, Type: n.Type, Payload: n.Payload, CreatedAt: cut(s.now())}
	if e.ID <= last.ID {
		e.ID = s.newID("evt")
	}
	if e.ID <= last.ID { // another process made last, by a clock that is ahead
		e.ID = successor(last.ID)
	}
	if e.CreatedAt.Before(last.CreatedAt) {
		e.CreatedAt = last.CreatedAt
	}
	return e
}

// successor returns the id that comes next: it counts in hexadecimal digits.
func successor(id string) string {
	digits := []byte(id)
	for i := len(digits) - 1; i >= 0 && digits[i] != '_'; i-- {
		switch {
		case digits[i] == '9':
			digits[i] = 'a'
			return string(digits)
		case digits[i] < 'f':
			digits[i]++
			return string(digits)
		}
		digits[i] = '0'
	}
	return id + "0"
}

func (s *Store) addEvent(ctx context.Context, account string, e store.Event) error {
	return s.add(ctx, `INSERT INTO events (account_id, session_id, id, turn_id, type, payload, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		account, e.SessionID, e.ID, e.TurnID, e.Type, string(e.Payload), toMicros(e.CreatedAt))
}

// ListEvents looks for the session last: had it been deleted by then, what was read of its log might have gaps.
func (s *Store) ListEvents(ctx context.Context, account, session string, only store.EventFilter, page store.Page) (store.List[store.Event], error) {
	list, err := s.listEvents(ctx, account, session, only, page)
	if sessionErr := s.checkSession(ctx, account, session); sessionErr != nil {
		return store.List[store.Event]{Items: []store.Event{}}, sessionErr
	}
	return list, err
}

func (s *Store) listEvents(ctx context.Context, account, session string, only store.EventFilter, page store.Page) (store.List[store.Event], error) {
	var cursor *place
	if page.Cursor != "" {
		_, err := one(ctx, s, scanID, `SELECT id FROM events WHERE account_id = $1 AND session_id = $2 AND id = $3`, account, session, page.Cursor)
		if errors.Is(err, store.ErrNotFound) {
			err = store.ErrUnknownCursor
		}
		if err != nil {
			return store.List[store.Event]{Items: []store.Event{}}, err
		}
		cursor = &place{page.Cursor}
	}
	return listFrom(ctx, s, eventRows(), eventsFor(account, session, only), []string{"r.id"}, cursor, page)
}

func eventsFor(account, session string, only store.EventFilter) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.session_id = " + f.bind(session))
	if len(only.Types) > 0 {
		types := make([]any, len(only.Types))
		for i, t := range only.Types {
			types[i] = t
		}
		f.and("r.type IN (" + f.bind(types...) + ")")
	}
	for _, bound := range []struct {
		beyond string
		time   *time.Time
		micros func(time.Time) int64
	}{
		{" > ", only.CreatedAfter, toMicros},
		{" >= ", only.CreatedFrom, toMicrosUp},
		{" < ", only.CreatedBefore, toMicrosUp},
		{" <= ", only.CreatedTo, toMicros},
	} {
		if bound.time != nil {
			f.and("r.created_at" + bound.beyond + f.bind(bound.micros(*bound.time)))
		}
	}
	return f
}

// checkSession returns an error unless the session is there.
func (s *Store) checkSession(ctx context.Context, account, id string) error {
	_, err := one(ctx, s, scanID, `SELECT id FROM sessions WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL`, account, id)
	return missing(err, store.MissingError{Noun: store.NounSession, ID: id})
}

// Watch implements store.Signals.
func (s *Store) Watch(fn func(store.Signal)) (stop func()) { return s.hub.watch(fn) }

// Publish copies the text: it may be a part of one that its maker goes on with.
func (s *Store) Publish(ctx context.Context, inc store.Increment) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	inc.Text = strings.Clone(inc.Text)
	s.hub.tell(store.Signal{Session: inc.Session, Increment: &inc})
	return s.publish(ctx, inc)
}
