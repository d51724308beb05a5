package tracing

import (
	"context"
	"encoding/json"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/server/store"
)

// Store returns a store whose calls have spans: transactions, and what reads and writes sessions, events and work items. Only
// calls for something that is traced have one.
func Store(s store.Store) store.Store {
	system := semconv.DBSystemNamePostgreSQL
	if s.Alone() {
		system = semconv.DBSystemNameSQLite
	}
	return &tracedStore{s, system}
}

type tracedStore struct {
	store.Store
	system attribute.KeyValue
}

// span starts the span of a call.
func (s *tracedStore) span(ctx context.Context, name string) (context.Context, Span) {
	ctx, span := child(ctx, trace.SpanKindClient, name, "")
	if span.recorded() {
		span.set(s.system, semconv.DBOperationName(name))
	}
	return ctx, span
}

// traced runs a call within a span. Only a database that is not available is a failure of it: what the store refuses is a
// result, which the span of the request or of the turn tells.
func traced[T any](ctx context.Context, s *tracedStore, name string, call func(ctx context.Context) (T, error)) (T, error) {
	ctx, span := s.span(ctx, name)
	defer span.End()
	got, err := call(ctx)
	if errors.Is(err, store.ErrUnavailable) {
		span.Fail(err)
	}
	return got, err
}

// Atomically implements store.Store.
func (s *tracedStore) Atomically(ctx context.Context, fn func(ctx context.Context) error) error {
	_, err := traced(ctx, s, "transaction", func(ctx context.Context) (struct{}, error) { return struct{}{}, s.Store.Atomically(ctx, fn) })
	return err
}

// CreateSession implements store.Sessions.
func (s *tracedStore) CreateSession(ctx context.Context, account string, spec store.SessionSpec) (store.Session, error) {
	return traced(ctx, s, "CreateSession", func(ctx context.Context) (store.Session, error) { return s.Store.CreateSession(ctx, account, spec) })
}

// GetSession implements store.Sessions.
func (s *tracedStore) GetSession(ctx context.Context, account, id string) (store.Session, error) {
	return traced(ctx, s, "GetSession", func(ctx context.Context) (store.Session, error) { return s.Store.GetSession(ctx, account, id) })
}

// ListSessions implements store.Sessions.
func (s *tracedStore) ListSessions(ctx context.Context, account string, filter store.SessionFilter, page store.Page) (store.List[store.Session], error) {
	return traced(ctx, s, "ListSessions", func(ctx context.Context) (store.List[store.Session], error) {
		return s.Store.ListSessions(ctx, account, filter, page)
	})
}

// UpdateSession implements store.Sessions.
func (s *tracedStore) UpdateSession(ctx context.Context, account, id string, change func(*store.Session) error) (store.Session, error) {
	return traced(ctx, s, "UpdateSession", func(ctx context.Context) (store.Session, error) {
		return s.Store.UpdateSession(ctx, account, id, change)
	})
}

// appended is what AppendEvents returns.
type appended struct {
	session store.Session
	events  []store.Event
}

// AppendEvents implements store.Events.
func (s *tracedStore) AppendEvents(ctx context.Context, account, session string, change func(*store.Session) ([]store.NewEvent, error)) (store.Session, []store.Event, error) {
	got, err := traced(ctx, s, "AppendEvents", func(ctx context.Context) (a appended, err error) {
		a.session, a.events, err = s.Store.AppendEvents(ctx, account, session, change)
		return a, err
	})
	return got.session, got.events, err
}

// ListEvents implements store.Events.
func (s *tracedStore) ListEvents(ctx context.Context, account, session string, filter store.EventFilter, page store.Page) (store.List[store.Event], error) {
	return traced(ctx, s, "ListEvents", func(ctx context.Context) (store.List[store.Event], error) {
		return s.Store.ListEvents(ctx, account, session, filter, page)
	})
}

// ListMemos implements store.Events.
func (s *tracedStore) ListMemos(ctx context.Context, account, session string, after int64) (map[string]json.RawMessage, error) {
	return traced(ctx, s, "ListMemos", func(ctx context.Context) (map[string]json.RawMessage, error) {
		return s.Store.ListMemos(ctx, account, session, after)
	})
}
