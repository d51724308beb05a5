// Package sqlstore keeps the store in an SQL database: one SQL text for every database, written for
// what SQLite and PostgreSQL have in common ($1 placeholders, ON CONFLICT, row-value comparisons, TEXT
// and BIGINT columns). What differs between them lives in dialect.go and in one file per database. It
// imports package store, database/sql, a driver per database and goose.
package sqlstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cloud-sessions/sessions/server/store"
)

// Options are what a store takes from its surroundings. The zero value is ready for use.
type Options struct {
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// NewID returns a fresh id with the given prefix. Ids made later should sort later. The default is
	// the prefix, "_" and the 32 lower-case hex digits of a UUIDv7.
	NewID func(prefix string) string
}

// Store is a store.Store over an SQL database.
type Store struct {
	db    database
	now   func() time.Time
	newID func(prefix string) string
	hub   hub
	line  turnLine

	mu     sync.Mutex // guards closed, and orders calls.Add before calls.Wait
	closed bool
	calls  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

var errClosed = fmt.Errorf("sqlstore: the store is closed: %w", store.ErrUnavailable)

// Open opens the database that dsn names, makes it if it is absent, and brings its schema up to date:
//
//	sqlite:path/to/file.db   a file; its folder is made if it is absent
//	sqlite::memory:          a private database in memory that ends with Close
//
// A database whose schema is newer than this program is refused.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	db, err := openDatabase(dsn)
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	s := &Store{db: db, now: opts.Now, newID: opts.NewID}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = newID
	}
	if err := s.loseTurns(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return s, nil
}

// newID panics only if the system has no randomness, which crypto/rand makes fatal in any case.
func newID(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	return prefix + "_" + hex.EncodeToString(id[:])
}

// Ping reads from the schema, so that a database that is gone or foreign does not pass.
func (s *Store) Ping(ctx context.Context) error {
	_, err := all(ctx, s, func(row scanner) (n int, err error) { return n, row.Scan(&n) },
		`SELECT 1 FROM tokens LIMIT 1`)
	return err
}

// Close may be called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	return s.db.close()
}

// enter counts a call that Close has to wait for; the caller must call s.calls.Done after it.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.calls.Add(1)
	return nil
}
