package storetest

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Rows tests the changes that the contract has for agents, environments and sessions alike.
func (suite) Rows() map[string]test { return rowTests(kinds()...) }

func rowTests(kinds ...kind) map[string]test {
	tests := map[string]test{}
	for _, k := range kinds {
		for name, run := range map[string]func(b *bed, k kind){
			"Update": updatedRow, "UpdateFails": failedUpdate, "UpdateUndone": undoneChanges,
			"ConcurrentUpdates": concurrentUpdates, "Archive": archivedRow, "Delete": deletedRow, "Unknown": unknownRow, "SameID": sameID,
		} {
			tests[k.name+name] = func(b *bed) { run(b, k) }
		}
	}
	return tests
}

// no is a function for the end of a change that does nothing.
func no() error { return nil }

func updatedRow(b *bed, k kind) {
	rows := b.fill(k, 3)
	b.clock.advance(time.Hour + time.Nanosecond)
	got, err := k.rename(b.ctx, b, account, rows[1].id, "new 名", no)
	check(b.T, err)
	equal(b.T, "id", rows[1].id, got.id)
	equal(b.T, "name", "new 名", got.name)
	equal(b.T, "created", rows[1].createdAt, got.createdAt)
	equal(b.T, "updated", b.clock.stamp(), got.updatedAt)
	equal(b.T, "archived", nil, got.archivedAt)
	utc(b.T, got.createdAt, got.updatedAt)
	b.clock.advance(time.Hour)
	rows[1] = got
	for _, want := range rows {
		b.reads(k, account, want)
	}
	list, err := k.list(b.ctx, b, account, store.Page{Limit: 10, Ascending: true})
	check(b.T, err)
	equal(b.T, "list", rows, list.Items)
}

// failedUpdate sees that what a change does counts for nothing when it fails or panics.
func failedUpdate(b *bed, k kind) {
	want := b.create(k)
	b.clock.advance(time.Hour)
	got, err := k.rename(b.ctx, b, account, want.id, "new", func() error { return errStop })
	if err != errStop { // as it is, not wrapped
		b.Errorf("want the error of the change, got %v", err)
	}
	equal(b.T, "result", "", got.id)
	b.reads(k, account, want)
	func() {
		defer func() { equal[any](b.T, "panic", "oh", recover()) }()
		_, _ = k.rename(b.ctx, b, account, want.id, "new", func() error { panic("oh") })
	}()
	b.reads(k, account, want)
}

func undoneChanges(b *bed, k kind) {
	want := b.create(k)
	b.clock.advance(time.Hour)
	err := b.Atomically(b.ctx, func(ctx context.Context) error {
		_, err := k.rename(ctx, b, account, want.id, "new", no)
		check(b.T, err)
		_, err = k.archive(ctx, b, account, want.id, b.clock.Now())
		check(b.T, err)
		check(b.T, k.remove(ctx, b, account, want.id))
		_, err = k.get(ctx, b, account, want.id)
		fails(b.T, "in the transaction", store.ErrNotFound, err)
		return errStop
	})
	fails(b.T, "transaction", errStop, err)
	b.reads(k, account, want)
}

// concurrentUpdates each add to what the one before made.
func concurrentUpdates(b *bed, k kind) {
	r := b.create(k)
	const writers, rounds = 4, 5
	each(b.T, writers, func(int) error {
		for range rounds {
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				if _, err := k.get(ctx, b, account, r.id); err != nil { // what it reads may be old soon after
					return err
				}
				return k.extend(ctx, b, account, r.id, "+")
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	got, err := k.get(b.ctx, b, account, r.id)
	check(b.T, err)
	equal(b.T, "updates", writers*rounds, len(got.name)-len(r.name))
}

func archivedRow(b *bed, k kind) {
	rows := b.fill(k, 2)
	b.clock.advance(time.Hour + time.Nanosecond)
	got, err := k.archive(b.ctx, b, account, rows[0].id, b.clock.Now())
	check(b.T, err)
	at := b.clock.stamp()
	equal(b.T, "archived", &at, got.archivedAt)
	equal(b.T, "updated", at, got.updatedAt)
	equal(b.T, "name", rows[0].name, got.name)
	equal(b.T, "created", rows[0].createdAt, got.createdAt)
	utc(b.T, *got.archivedAt)
	b.clock.advance(time.Hour)
	b.reads(k, account, got)
	b.reads(k, account, rows[1])
	for all, want := range map[bool][]row{false: rows[1:], true: {got, rows[1]}} {
		list, err := k.list(b.ctx, b, account, store.Page{Limit: 10, Ascending: true, IncludeArchived: all})
		check(b.T, err)
		equal(b.T, "list", want, list.Items)
	}
}

// deletedRow deletes a row, then an archived one.
func deletedRow(b *bed, k kind) {
	rows := b.fill(k, 3)
	_, err := k.archive(b.ctx, b, account, rows[1].id, b.clock.Now())
	check(b.T, err)
	for _, r := range rows[:2] {
		check(b.T, k.remove(b.ctx, b, account, r.id))
		b.gone(k, account, r.id)
	}
	b.reads(k, account, rows[2])
	for _, all := range []bool{false, true} {
		list, err := k.list(b.ctx, b, account, store.Page{Limit: 10, IncludeArchived: all})
		check(b.T, err)
		equal(b.T, "list", rows[2:], list.Items)
	}
}

// unknownRow has ids that never were and ids of another account.
func unknownRow(b *bed, k kind) {
	b.gone(k, account, "x_unknown")
	b.gone(k, account, "")
	want := b.create(k)
	b.gone(k, other, want.id)
	b.reads(k, account, want)
}

// sameID changes a row in every way there is; another account has one with the same id.
func sameID(b *bed, k kind) {
	foreign, err := k.create(b.ctx, b, other)
	check(b.T, err)
	b.ids.restart()
	mine := b.create(k)
	equal(b.T, "id", foreign.id, mine.id)
	b.clock.advance(time.Hour)
	_, err = k.rename(b.ctx, b, account, mine.id, "new", no)
	check(b.T, err)
	b.reads(k, other, foreign)
	_, err = k.archive(b.ctx, b, account, mine.id, b.clock.Now())
	check(b.T, err)
	b.reads(k, other, foreign)
	check(b.T, k.remove(b.ctx, b, account, mine.id))
	b.gone(k, account, mine.id)
	b.reads(k, other, foreign)
}

// reads fails the test unless the row is as wanted.
func (b *bed) reads(k kind, acc string, want row) {
	b.Helper()
	got, err := k.get(b.ctx, b, acc, want.id)
	check(b.T, err)
	equal(b.T, k.name, want, got)
}

// gone fails the test unless the row is, in every method, one that does not exist.
func (b *bed) gone(k kind, acc, id string) {
	b.Helper()
	_, getErr := k.get(b.ctx, b, acc, id)
	_, renameErr := k.rename(b.ctx, b, acc, id, "new", func() error {
		b.Error("a change is called for a row that does not exist")
		return nil
	})
	_, archiveErr := k.archive(b.ctx, b, acc, id, b.clock.Now())
	for _, err := range []error{getErr, renameErr, archiveErr, k.remove(b.ctx, b, acc, id)} {
		missing(b.T, store.MissingError{Noun: store.Noun(k.name), ID: id}, err)
	}
}
