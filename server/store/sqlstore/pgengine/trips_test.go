package pgengine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
)

// sharing is a database whose round trips of shared reads are all taken until let is called, so that reads wait.
type sharing struct {
	engine.Database
	let func()
}

func openSharing(t *testing.T) *sharing {
	t.Helper()
	return openSharingFor(t, 5*time.Second)
}

// openSharingFor is openSharing whose reads wait so long.
func openSharingFor(t *testing.T, patience time.Duration) *sharing {
	t.Helper()
	db, err := pgengine.Open(pgtest.Database(t), pgengine.Options{MaxConns: 5, StatementTimeout: 5 * time.Second, ConnectTimeout: patience, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	return &sharing{db, pgengine.HoldReads(db)}
}

// read runs a shared query and returns the numbers that it finds.
func (s *sharing) read(ctx context.Context, text string, args ...any) (numbers []int, err error) {
	err = s.Read(ctx, engine.Query{Text: text, Args: args, Shared: true}, func(row engine.Scanner) error {
		var n int
		err := row.Scan(&n)
		numbers = append(numbers, n)
		return err
	})
	return numbers, err
}

// waiting starts n reads and waits until they wait.
func (s *sharing) waiting(t *testing.T, n int, read func(i int)) (done func()) {
	t.Helper()
	var reading sync.WaitGroup
	for i := range n {
		reading.Go(func() { read(i) })
		for pgengine.WaitingReads(s.Database) < i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	return reading.Wait
}

// TestReadsShareARoundTrip has reads of which some are equal: each gets its rows, equal ones are run once.
func TestReadsShareARoundTrip(t *testing.T) {
	t.Parallel()
	s := openSharing(t)
	const runs = `SELECT nextval('runs') * 0 + $1::bigint + generate_series(0, 1)`
	check(t, s.Transact(t.Context(), func(tx engine.Tx) error { return tx.Soon(t.Context(), `CREATE SEQUENCE runs`, nil) }))
	done := s.waiting(t, 9, func(i int) {
		numbers, err := s.read(t.Context(), runs, int64(i/3*10))
		if want := fmt.Sprint([]int{i / 3 * 10, i/3*10 + 1}); err != nil || fmt.Sprint(numbers) != want {
			t.Errorf("read %d: %v, %v", i, numbers, err)
		}
	})
	s.let()
	done()
	count, err := s.read(t.Context(), `SELECT last_value FROM runs`)
	if err != nil || count[0] != 2*3 { // a row each
		t.Errorf("the sequence is at %v, want 6: %v", count, err)
	}
}

// TestASharedReadFailsAlone has a read that fails, one before it and one after it in the same round trip.
func TestASharedReadFailsAlone(t *testing.T) {
	t.Parallel()
	s := openSharing(t)
	errs := make([]error, 4)
	stop := errors.New("stop")
	done := s.waiting(t, 4, func(i int) {
		switch i {
		case 0, 2:
			var numbers []int
			numbers, errs[i] = s.read(t.Context(), `SELECT $1::bigint`, int64(i))
			if len(numbers) != 1 || numbers[0] != i {
				t.Errorf("read %d: %v", i, numbers)
			}
		case 1:
			_, errs[i] = s.read(t.Context(), `SELECT 1 / $1::bigint`, int64(0))
		case 3:
			errs[i] = s.Read(t.Context(), engine.Query{Text: `SELECT 1`, Shared: true}, func(engine.Scanner) error { return stop })
		}
	})
	s.let()
	done()
	if errs[0] != nil || errs[1] == nil || errs[2] != nil || !errors.Is(errs[3], stop) {
		t.Error(errs)
	}
}

// TestASharedReadIsAbandoned has callers that leave while their reads wait: the others get theirs.
func TestASharedReadIsAbandoned(t *testing.T) {
	t.Parallel()
	s := openSharing(t)
	left, leave := context.WithCancel(t.Context())
	errs := make([]error, 3)
	gone := make(chan struct{})
	done := s.waiting(t, 3, func(i int) {
		ctx := t.Context()
		if i < 2 {
			ctx = left
		}
		var numbers []int
		numbers, errs[i] = s.read(ctx, `SELECT 1`)
		if i < 2 && len(numbers) > 0 {
			t.Errorf("a caller that has left gets %v", numbers)
		}
		if i < 2 {
			gone <- struct{}{}
		}
	})
	leave()
	<-gone
	<-gone
	s.let()
	done()
	if !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
		t.Error(errs)
	}
}

// TestASharedReadIsLeftUnderWay has a caller that leaves while its read is under way: it gets no rows from there on.
func TestASharedReadIsLeftUnderWay(t *testing.T) {
	t.Parallel()
	s := openSharing(t)
	left, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	returned := false
	var holding sync.WaitGroup
	locked, unlock := make(chan struct{}), make(chan struct{})
	holding.Go(func() {
		check(t, s.Transact(t.Context(), func(tx engine.Tx) error {
			_, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(1)`, nil)
			close(locked)
			<-unlock
			return err
		}))
	})
	<-locked
	done := s.waiting(t, 2, func(i int) {
		if i == 0 {
			_, err := s.read(t.Context(), `SELECT 1 FROM pg_advisory_xact_lock(1)`)
			check(t, err)
			return
		}
		err := s.Read(left, engine.Query{Text: `SELECT 1`, Shared: true}, func(engine.Scanner) error {
			if returned {
				t.Error("a caller that has left gets a row")
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		returned = true
		close(gone)
	})
	s.let()
	for pgengine.WaitingReads(s.Database) > 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	<-gone
	close(unlock)
	done()
	holding.Wait()
}

// TestASharedReadIsLeftWithItsLead has a caller that leaves when it is to send another one's read.
func TestASharedReadIsLeftWithItsLead(t *testing.T) {
	t.Parallel()
	s := openSharing(t)
	check(t, pgengine.LeaveWithLead(t.Context(), s.Database))
}

// TestWritesShareATransaction has writes at the same time: they are stored by one transaction, and none of them when one fails.
func TestWritesShareATransaction(t *testing.T) {
	t.Parallel()
	s := openSharing(t)
	s.let()
	check(t, s.Transact(t.Context(), func(tx engine.Tx) error {
		return tx.Soon(t.Context(), `CREATE TABLE written (n BIGINT CHECK (n <> 0), by BIGINT DEFAULT txid_current())`, nil)
	}))
	write := func(ctx context.Context, n int64) error {
		ran := false
		err := s.Engine.(engine.Writer).Write(ctx, engine.Query{Text: `INSERT INTO written (n) VALUES ($1) RETURNING 1`, Args: []any{n}}, func(engine.Scanner) error {
			ran = true
			return nil
		})
		if err == nil && !ran {
			t.Errorf("the write of %d returns nothing", n)
		}
		return err
	}
	for _, batch := range []struct {
		numbers []int64
		stored  int
	}{{[]int64{1, 2, 3}, 3}, {[]int64{4, 0, 5}, 0}} {
		errs := make([]error, len(batch.numbers))
		let := pgengine.HoldWrites(s.Database)
		var writing sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for i, n := range batch.numbers {
			writing.Go(func() { errs[i] = write(ctx, n) })
			for pgengine.WaitingWrites(s.Database) < i+1 {
				time.Sleep(time.Millisecond)
			}
		}
		cancel() // which interrupts none of them
		let()
		writing.Wait()
		for i, err := range errs {
			if undone := errors.Is(err, engine.ErrUndone); undone != (batch.stored == 0) || !undone && err != nil {
				t.Errorf("the write of %d: %v", batch.numbers[i], err)
			}
		}
		got, err := s.read(t.Context(), `SELECT count(*) FROM written WHERE n = ANY (ARRAY[$1::bigint, $2::bigint, $3::bigint])`, batch.numbers[0], batch.numbers[1], batch.numbers[2])
		check(t, err)
		if got[0] != batch.stored {
			t.Errorf("%d of %v are stored, want %d", got[0], batch.numbers, batch.stored)
		}
	}
	got, err := s.read(t.Context(), `SELECT count(DISTINCT by) FROM written`)
	check(t, err)
	if got[0] != 1 {
		t.Errorf("%d transactions have written", got[0])
	}
}

// TestASharedReadWaitsForSoLong has round trips that do not end.
func TestASharedReadWaitsForSoLong(t *testing.T) {
	t.Parallel()
	s := openSharingFor(t, 20*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.read(ctx, `SELECT 1`); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a read that waits: %v", err)
	}
	if n := pgengine.WaitingReads(s.Database); n > 0 {
		t.Errorf("%d reads still wait", n)
	}
}
