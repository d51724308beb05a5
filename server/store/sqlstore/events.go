package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
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
func (s *Store) AppendEvents(ctx context.Context, account, session string, change func(*store.Session) ([]store.NewEvent, error)) (v store.Session, appended []store.Event, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		ref := store.SessionRef{Account: account, ID: session}
		s.remembered(ctx, ref, &appended)
		var last store.Event
		if v, last, err = s.lockSession(ctx, account, session); err != nil {
			return err
		}
		var events []store.NewEvent
		var added []int
		moved, err := s.change(ctx, account, &v,
			func(v *store.Session) (err error) {
				events, err = change(v)
				return err
			},
			func() ([]engine.Step, error) {
				appended = s.following(last, session, events)
				return additions(account, appended, events, &added), nil
			})
		if err != nil {
			return err
		}
		if added != nil && total(added) < len(events) {
			return store.ErrExists
		}
		if moved || len(events) > 0 {
			return s.signal(ctx, store.Signal{Session: ref, State: moved})
		}
		return nil
	})
	appended, _ = orZero(appended, err)
	v, err = orZero(v, err)
	return v, appended, err
}

func total(numbers []int) (sum int) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

const selectLastEvent = `SELECT position, created_at FROM events
	WHERE account_id = $1 AND session_id = $2 ORDER BY position DESC LIMIT 1`

// lockSession locks a session and returns it, with the position and time of its last event; these are zero when the log is
// empty. While the session is locked, its log does not grow. One statement locks and reads the session, since it reads no other
// table: see lock.
func (s *Store) lockSession(ctx context.Context, account, id string) (v store.Session, last store.Event, err error) {
	var there, some bool
	err = s.pipeline(ctx,
		found(&v, &there, scanSession, sessionRows().selectOne()+s.db.ForUpdate, account, id),
		found(&last, &some, func(row engine.Scanner) (e store.Event, err error) {
			return e, row.Scan(&e.Position, timeTo{&e.CreatedAt})
		}, selectLastEvent, account, id))
	switch {
	case err != nil:
	case !there:
		err = missing(store.ErrNotFound, store.MissingError{Noun: store.NounSession, ID: id})
	default:
		v.Agent, err = s.agentAt(ctx, account, v.Agent.ID, v.Agent.Version)
	}
	return v, last, err
}

// following returns events as they are appended to a log after its last one.
func (s *Store) following(last store.Event, session string, events []store.NewEvent) []store.Event {
	if len(events) == 0 {
		return nil
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
	}
	return appended
}

// eventsPerInsert bounds the events that one statement adds, so that the texts of statements are few.
const eventsPerInsert = 8

// additions returns the steps that add events with their memos. Unless all of the events' ids are new, added gets the number of
// events that each of the statements adds: fewer than it has when the log has an event with the same id.
func additions(account string, events []store.Event, as []store.NewEvent, added *[]int) (steps []engine.Step) {
	chunks := slices.Collect(slices.Chunk(events, eventsPerInsert))
	inserts := &insertEvents
	if slices.ContainsFunc(as, func(n store.NewEvent) bool { return n.ID != "" && !n.New }) {
		inserts, *added = &insertAbsent, make([]int, len(chunks))
	}
	for i, chunk := range chunks {
		var args []any
		for _, e := range chunk {
			args = append(args, account, e.SessionID, e.Position, e.ID, e.TurnID, e.Type, string(e.Payload), toMicros(e.CreatedAt))
		}
		step := write(inserts[len(chunk)], args...)
		if *added != nil {
			step.Wrote = &(*added)[i]
		}
		steps = append(steps, step)
	}
	for i, e := range events {
		if memo := as[i].Memo; len(memo) > 0 {
			steps = append(steps, write(`INSERT INTO event_memos (account_id, session_id, position, event_id, memo) VALUES ($1, $2, $3, $4, $5)`,
				account, e.SessionID, e.Position, e.ID, string(memo)))
		}
	}
	return steps
}

// insertEvents are the statements that add so many events, insertAbsent those that leave out events whose ids the log has.
var insertEvents, insertAbsent = insertsOfEvents(""), insertsOfEvents(" ON CONFLICT (account_id, session_id, id) DO NOTHING")

func insertsOfEvents(onConflict string) (texts [eventsPerInsert + 1]string) {
	const columns = 8
	var rows []string
	for n := 1; n <= eventsPerInsert; n++ {
		placeholders := make([]string, columns)
		for i := range placeholders {
			placeholders[i] = "$" + strconv.Itoa((n-1)*columns+i+1)
		}
		rows = append(rows, "("+strings.Join(placeholders, ", ")+")")
		texts[n] = `INSERT INTO events (account_id, session_id, position, id, turn_id, type, payload, created_at)
			VALUES ` + strings.Join(rows, ", ") + onConflict
	}
	return texts
}

// EventPosition looks for the session last, as ListEvents does.
func (s *Store) EventPosition(ctx context.Context, account, session, id string) (position int64, err error) {
	there, known := false, id == ""
	steps := []engine.Step{sessionStep(&there, account, session)}
	if id != "" {
		steps = slices.Insert(steps, 0, found(&position, &known, scanPosition, selectPosition, account, session, id))
	}
	err = s.pipeline(ctx, steps...)
	switch {
	case err != nil:
		return 0, err
	case !there:
		return 0, missing(store.ErrNotFound, store.MissingError{Noun: store.NounSession, ID: session})
	case !known:
		return 0, store.ErrUnknownCursor
	}
	return position, nil
}

const selectLastPosition = `SELECT coalesce((SELECT e.position FROM events e
		WHERE e.account_id = s.account_id AND e.session_id = s.id ORDER BY e.position DESC LIMIT 1), 0)
	FROM sessions s WHERE s.account_id = $1 AND s.id = $2 AND +s.deleted_at IS NULL`

// LastPosition implements store.Events.
func (s *Store) LastPosition(ctx context.Context, account, session string) (int64, error) {
	position, err := one(ctx, s, func(row engine.Scanner) (position int64, err error) {
		return position, row.Scan(&position)
	}, selectLastPosition, account, session)
	return position, missing(err, store.MissingError{Noun: store.NounSession, ID: session})
}

const selectPosition = `SELECT position FROM events WHERE account_id = $1 AND session_id = $2 AND id = $3`

func scanPosition(row engine.Scanner) (position int64, err error) {
	err = row.Scan(&position)
	return position, err
}

// positionOf returns an event's position, 0 for "", or store.ErrUnknownCursor.
func (s *Store) positionOf(ctx context.Context, account, session, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	position, err := one(ctx, s, scanPosition, selectPosition, account, session, id)
	if errors.Is(err, store.ErrNotFound) {
		err = store.ErrUnknownCursor
	}
	return position, err
}

// ListEvents looks for the session last: if it was deleted in the meantime, what was read of its log might have gaps.
func (s *Store) ListEvents(ctx context.Context, account, session string, only store.EventFilter, page store.Page) (store.List[store.Event], error) {
	there := false
	list, err := s.listEvents(ctx, account, session, only, page, sessionStep(&there, account, session))
	if !there {
		if sessionErr := s.checkSession(ctx, account, session); sessionErr != nil {
			return store.List[store.Event]{Items: []store.Event{}}, sessionErr
		}
	}
	return list, err
}

// listEvents runs the steps that also has after it has read the page, unless that fails.
func (s *Store) listEvents(ctx context.Context, account, session string, only store.EventFilter, page store.Page, also ...engine.Step) (store.List[store.Event], error) {
	position, err := s.positionOf(ctx, account, session, page.Cursor)
	if err != nil {
		return store.List[store.Event]{Items: []store.Event{}}, err
	}
	var cursor *place
	if position > 0 {
		cursor = &place{position}
	}
	return listFrom(ctx, s, eventRows(), eventsFor(account, session, only), byPosition, cursor, page, also...)
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
	there := false
	err := s.pipeline(ctx, sessionStep(&there, account, id))
	if err == nil && !there {
		err = missing(store.ErrNotFound, store.MissingError{Noun: store.NounSession, ID: id})
	}
	return err
}

// sessionStep is the step that finds out whether a session exists.
func sessionStep(there *bool, account, id string) engine.Step {
	return found(new(string), there, scanID, `SELECT id FROM sessions WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL`, account, id)
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
