// Package sqlstore keeps the store in an SQL database: one SQL text for every database, written for what SQLite and
// PostgreSQL have in common ($1 placeholders, ON CONFLICT, row-value comparisons, TEXT and BIGINT columns). What differs
// between them is behind package engine, which sqliteengine and pgengine implement; Open chooses one of them. Their
// schemas come from the same files, in package migrations. sqlstore itself imports no driver.
package sqlstore

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/sqliteengine"
)

// Options configure a store. The zero value is ready for use.
type Options struct {
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// NewID returns a fresh id with the given prefix. Later ids should sort later. The default is the prefix, "_" and
	// the 32 lower-case hex digits of a UUIDv7.
	NewID func(prefix string) string

	// MaxConns bounds the connections to PostgreSQL that are open at once, 1 to 1000; DefaultMaxConns by default.
	// SQLite needs no bound.
	MaxConns int
	// StatementTimeout bounds each statement, the wait for locks included, on PostgreSQL; DefaultStatementTimeout
	// by default. It counts in milliseconds and is at least one.
	StatementTimeout time.Duration
	// ConnectTimeout bounds how long a call waits for a connection to PostgreSQL, new or released by another call;
	// DefaultConnectTimeout by default. It is at least a millisecond.
	ConnectTimeout time.Duration

	// Serve is whether this process serves the database. One process at a time may serve a SQLite file, so Open fails while
	// another one does; others can use the file at the same time. PostgreSQL can be served by any number.
	Serve bool
	// Logger gets what callers do not see, such as lost connections; discarded by default.
	Logger *slog.Logger
	// OnCommit is called after each commit of transactions that write, with their number and the time that it took, from the
	// goroutine of one of them. Nil, the default, is not called.
	OnCommit func(transactions int, took time.Duration)
}

// The defaults of Options.
const (
	DefaultMaxConns         = 20
	DefaultStatementTimeout = 5 * time.Second
	DefaultConnectTimeout   = 5 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newID
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MaxConns = cmp.Or(o.MaxConns, DefaultMaxConns)
	o.StatementTimeout = cmp.Or(o.StatementTimeout, DefaultStatementTimeout)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, DefaultConnectTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxConns < 1 || o.MaxConns > 1000 {
		return o, errors.New("sqlstore: the connections to the database must be 1 to 1000")
	}
	if o.StatementTimeout < time.Millisecond || o.ConnectTimeout < time.Millisecond {
		return o, errors.New("sqlstore: the database's timeouts must be at least 1ms")
	}
	return o, nil
}

// Store is a store.Store over an SQL database.
type Store struct {
	db     engine.Database
	now    func() time.Time
	newID  func(prefix string) string
	hub    hub
	agents *agentVersions
	recent *recent

	// doubts are sessions that a transaction changed whose outcome is not known.
	doubts *cache.Cache[store.SessionRef, struct{}]

	workBells workBells
	pollers   *cache.Cache[[3]string, time.Time] // when workers last polled, by account, environment and worker

	id      string // distinguishes this store's notes from those of others
	listens sync.WaitGroup
	silence context.CancelFunc // stops listening

	mu     sync.Mutex // guards closed, and orders calls.Add before calls.Wait
	closed bool
	calls  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// pollersSize bounds the workers whose last poll is remembered, doubtsSize the sessions whose state is in doubt.
const (
	pollersSize = 10_000
	doubtsSize  = 10_000
)

var errClosed = fmt.Errorf("sqlstore: the store is closed: %w", store.ErrUnavailable)

// Open opens the database that dsn names and brings its schema up to date:
//
//	sqlite:path/to/file.db   a file, which is created with its folder if absent
//	sqlite::memory:          a private database in memory, of 1 GiB at most, that Close removes
//	postgres://…             an existing database on PostgreSQL; postgresql:// is the same
//
// A database whose schema is newer than this program is refused, and so are names of SQLite files that are probably meant
// to be something else: file:…, ~/…, memory:, and a path with ?_pragma=… after it.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(ctx, dsn, opts)
	if err != nil {
		return nil, err
	}
	return New(ctx, db, opts)
}

// New returns a store over an open database and brings its schema up to date; when that fails, New closes the
// database. The options about PostgreSQL have no effect.
func New(ctx context.Context, db engine.Database, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{db: db, now: opts.Now, newID: opts.NewID, recent: newRecent(), agents: cache.New[agentVersion, store.Agent](agentVersionsSize)}
	s.pollers = cache.New[[3]string, time.Time](pollersSize)
	s.doubts = cache.New[store.SessionRef, struct{}](doubtsSize)
	s.id = newID("store")
	listening, silence := context.WithCancel(context.Background())
	s.silence = silence
	if db.Notifier != nil {
		s.listens.Go(func() { db.Notifier.Listen(listening, s.notified, s.missed) })
	}
	if err := db.Queue.Restore(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openDatabase opens the database that dsn names; it does not touch the schema.
func openDatabase(ctx context.Context, dsn string, opts Options) (engine.Database, error) {
	switch scheme, rest, _ := strings.Cut(dsn, ":"); scheme {
	case "sqlite":
		return sqliteengine.Open(ctx, rest, sqliteengine.Options{Serve: opts.Serve, Logger: opts.Logger, OnCommit: opts.OnCommit})
	case "postgres", "postgresql":
		return pgengine.Open(dsn, pgOptions(opts))
	}
	return engine.Database{}, engine.ErrDSN
}

func pgOptions(opts Options) pgengine.Options {
	return pgengine.Options{
		MaxConns: opts.MaxConns, StatementTimeout: opts.StatementTimeout, ConnectTimeout: opts.ConnectTimeout, Log: opts.Logger,
		OnCommit: opts.OnCommit,
	}
}

// newID panics only if the system has no randomness, which crypto/rand makes fatal in any case.
func newID(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	return prefix + "_" + hex.EncodeToString(id[:])
}

// Compact rewrites the SQLite file that dsn names without its free space. It calls begin with what it found before it
// begins, and returns the file's size afterwards. It refuses a file that a process serves.
func Compact(ctx context.Context, dsn string, begin func(engine.Space)) (size int64, err error) {
	name, onSQLite := strings.CutPrefix(dsn, "sqlite:")
	if !onSQLite {
		return 0, errors.New("sqlstore: only a SQLite file is compacted; PostgreSQL does it by itself")
	}
	return sqliteengine.Compact(ctx, name, begin)
}

// Ping reads from the schema, so that it fails for a database that is gone or foreign.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	_, err := all(ctx, s, func(row engine.Scanner) (n int, err error) { return n, row.Scan(&n) },
		`SELECT 1 FROM tokens LIMIT 1`)
	if err != nil || s.db.Ready == nil {
		return err
	}
	return s.db.Ready(ctx)
}

// Close may be called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.silence()
	s.listens.Wait()
	return s.db.Close()
}

// enter registers a call that Close has to wait for; the caller must call s.calls.Done after it.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.calls.Add(1)
	return nil
}
