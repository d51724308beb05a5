package sqlstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func eventRows() rows[store.Event] {
	return rows[store.Event]{
		table:     "events",
		selection: `SELECT r.position, r.id, r.session_id, r.turn_id, r.type, r.payload, r.created_at FROM events r`,
		scan: func(row engine.Scanner) (e store.Event, err error) {
			err = row.Scan(&e.Position, &e.ID, &e.SessionID, &e.TurnID, &e.Type, fromJSON{&e.Payload}, timeTo{&e.CreatedAt})
			return e, err
		},
		size: eventSize,
	}
}

// NewID implements store.Events.
func (s *Store) NewID(prefix string) string { return s.newID(prefix) }

// AppendEvents implements store.Events.
func (s *Store) AppendEvents(ctx context.Context, account, session string, change func(*store.Session) ([]store.NewEvent, error)) (store.Session, []store.Event, error) {
	var appended []store.Event
	v, err := changed(ctx, s, sessionRows(), account, session, func(ctx context.Context, v *store.Session) error {
		var events []store.NewEvent
		moved, err := s.change(ctx, account, v, func(v *store.Session) (err error) {
			events, err = change(v)
			return err
		})
		if err != nil {
			return err
		}
		if appended, err = s.appendTo(ctx, account, session, events); err != nil {
			return err
		}
		if moved || len(events) > 0 {
			return s.signal(ctx, store.Signal{Session: store.SessionRef{Account: account, ID: session}, State: moved})
		}
		return nil
	})
	appended, err = orZero(appended, err)
	return v, appended, err
}

// appendTo stores events at the end of a log. The session must be locked, so that no other event comes in between.
func (s *Store) appendTo(ctx context.Context, account, session string, events []store.NewEvent) ([]store.Event, error) {
	if len(events) == 0 {
		return nil, nil
	}
	last, err := s.lastEvent(ctx, account, session)
	if err != nil {
		return nil, err
	}
	now := cut(s.now())
	if !now.After(last.CreatedAt) { // by a fast writer, or a process whose clock is ahead
		now = last.CreatedAt.Add(time.Microsecond)
	}
	appended := make([]store.Event, len(events))
	for i, n := range events {
		if n.ID == "" {
			n.ID = s.newID("evt")
		}
		appended[i] = store.Event{
			Position: last.Position + 1 + int64(i), ID: n.ID, SessionID: session,
			TurnID: n.TurnID, Type: n.Type, Payload: n.Payload, CreatedAt: now,
		}
		if err := s.addEvent(ctx, account, appended[i]); err != nil {
			return nil, err
		}
		if len(n.Memo) > 0 {
			if err := s.addMemo(ctx, account, appended[i], n.Memo); err != nil {
				return nil, err
			}
		}
	}
	return appended, nil
}

const selectLastEvent = `SELECT position, created_at FROM events
	WHERE account_id = $1 AND session_id = $2 ORDER BY position DESC LIMIT 1`

// lastEvent returns the position and time of a session's last event, zero when the log is empty.
func (s *Store) lastEvent(ctx context.Context, account, session string) (store.Event, error) {
	last, err := one(ctx, s, func(row engine.Scanner) (e store.Event, err error) {
		return e, row.Scan(&e.Position, timeTo{&e.CreatedAt})
	}, selectLastEvent, account, session)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return last, err
}

func (s *Store) addEvent(ctx context.Context, account string, e store.Event) error {
	return s.add(ctx, `INSERT INTO events (account_id, session_id, position, id, turn_id, type, payload, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account_id, session_id, id) DO NOTHING`,
		account, e.SessionID, e.Position, e.ID, e.TurnID, e.Type, string(e.Payload), toMicros(e.CreatedAt))
}

// EventPosition looks for the session last, as ListEvents does.
func (s *Store) EventPosition(ctx context.Context, account, session, id string) (int64, error) {
	position, err := s.positionOf(ctx, account, session, id)
	if sessionErr := s.checkSession(ctx, account, session); sessionErr != nil {
		return 0, sessionErr
	}
	return position, err
}

const selectLastPosition = `SELECT coalesce((SELECT e.position FROM events e
		WHERE e.account_id = s.account_id AND e.session_id = s.id ORDER BY e.position DESC LIMIT 1), 0)
	FROM sessions s WHERE s.account_id = $1 AND s.id = $2 AND s.deleted_at IS NULL`

// LastPosition implements store.Events.
func (s *Store) LastPosition(ctx context.Context, account, session string) (int64, error) {
	position, err := one(ctx, s, func(row engine.Scanner) (position int64, err error) {
		return position, row.Scan(&position)
	}, selectLastPosition, account, session)
	return position, missing(err, store.MissingError{Noun: store.NounSession, ID: session})
}

const selectPosition = `SELECT position FROM events WHERE account_id = $1 AND session_id = $2 AND id = $3`

// positionOf returns an event's position, 0 for "", or store.ErrUnknownCursor.
func (s *Store) positionOf(ctx context.Context, account, session, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	position, err := one(ctx, s, func(row engine.Scanner) (position int64, err error) {
		return position, row.Scan(&position)
	}, selectPosition, account, session, id)
	if errors.Is(err, store.ErrNotFound) {
		err = store.ErrUnknownCursor
	}
	return position, err
}

// ListEvents looks for the session last: if it was deleted in the meantime, what was read of its log might have gaps.
func (s *Store) ListEvents(ctx context.Context, account, session string, only store.EventFilter, page store.Page) (store.List[store.Event], error) {
	list, err := s.listEvents(ctx, account, session, only, page)
	if sessionErr := s.checkSession(ctx, account, session); sessionErr != nil {
		return store.List[store.Event]{Items: []store.Event{}}, sessionErr
	}
	return list, err
}

func (s *Store) listEvents(ctx context.Context, account, session string, only store.EventFilter, page store.Page) (store.List[store.Event], error) {
	position, err := s.positionOf(ctx, account, session, page.Cursor)
	if err != nil {
		return store.List[store.Event]{Items: []store.Event{}}, err
	}
	var cursor *place
	if position > 0 {
		cursor = &place{position}
	}
	return listFrom(ctx, s, eventRows(), eventsFor(account, session, only), byPosition, cursor, page)
}

// byPosition is the order of a session's log.
var byPosition = []string{"r.position"}

func eventsFor(account, session string, only store.EventFilter) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.session_id = " + f.bind(session))
	if only.AfterPosition > 0 {
		f.since(only.AfterPosition + 1)
	}
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

// checkSession returns a store.MissingError unless the session exists.
func (s *Store) checkSession(ctx context.Context, account, id string) error {
	_, err := one(ctx, s, scanID, `SELECT id FROM sessions WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL`, account, id)
	return missing(err, store.MissingError{Noun: store.NounSession, ID: id})
}

// Watch implements store.Signals.
func (s *Store) Watch(fn func(store.Signal)) (stop func()) { return s.hub.watch(fn) }

// Publish copies the text, which may be a part of a text that the caller continues to build.
func (s *Store) Publish(ctx context.Context, inc store.Increment) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	inc.Text = strings.Clone(inc.Text)
	s.hub.send(store.Signal{Session: inc.Session, Increment: &inc})
	return s.publish(ctx, inc)
}

// PublishWith implements store.Signals.
func (s *Store) PublishWith(ctx context.Context, inc store.Increment) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok := s.scopeOf(ctx); !ok {
		return errOutside
	}
	inc.Text = strings.Clone(inc.Text)
	s.afterCommit(ctx, func() { s.hub.send(store.Signal{Session: inc.Session, Increment: &inc}) })
	return s.notifyOf(ctx, inc)
}
