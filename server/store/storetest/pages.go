package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

func pageTests() map[string]test {
	tests := map[string]test{
		"ArchivedAgents":       archivedAgentPages,
		"ArchivedEnvironments": archivedEnvironmentPages,
	}
	for _, k := range kinds() {
		for name, run := range map[string]func(b *bed, k kind){
			"Empty": emptyPage, "Order": pageOrder, "Windows": pageWindows, "Cursors": pageCursors,
			"Walk": pageWalk, "WalkWhileInserting": pageWalkWhileInserting,
		} {
			tests[k.name+name] = func(b *bed) { run(b, k) }
		}
	}
	return tests
}

func emptyPage(b *bed, k kind) {
	for _, page := range []store.Page{{Limit: 1}, {Limit: 1, Ascending: true}, {Limit: 1, IncludeArchived: true}} {
		got, err := k.list(b.ctx, b, account, page)
		check(b.T, err)
		if got.Items == nil || len(got.Items) > 0 || got.HasMore {
			b.Errorf("%+v: want an empty list that is not nil, got %+v", page, got)
		}
	}
}

// pageOrder has rows that tie in their times: the ids decide, whatever the order of creation.
func pageOrder(b *bed, k kind) {
	rows := b.fill(k, 12)
	for _, ascending := range []bool{true, false} {
		want := ids(rows)
		if !ascending {
			want = reversed(want)
		}
		got, err := k.list(b.ctx, b, account, store.Page{Limit: 100, Ascending: ascending})
		check(b.T, err)
		equal(b.T, fmt.Sprintf("ascending %v", ascending), want, ids(got.Items))
	}
}

// pageWindows compares every page there is, of a list short enough, to a part of the whole.
func pageWindows(b *bed, k kind) {
	const total = 5
	ascending := ids(b.fill(k, total))
	for _, up := range []bool{true, false} {
		whole := ascending
		if !up {
			whole = reversed(whole)
		}
		for limit := 1; limit <= total+1; limit++ {
			b.window(k, whole, store.Page{Limit: limit, Ascending: up}, 0, min(limit, total))
			b.window(k, whole, store.Page{Limit: limit, Ascending: up, Backward: true}, 0, 0)
			for i, cursor := range whole {
				b.window(k, whole, store.Page{Limit: limit, Ascending: up, Cursor: cursor}, i+1, min(i+1+limit, total))
				b.window(k, whole, store.Page{Limit: limit, Ascending: up, Cursor: cursor, Backward: true}, max(0, i-limit), i)
			}
		}
	}
}

// window fails the test unless page is whole[from:to].
func (b *bed) window(k kind, whole []string, page store.Page, from, to int) {
	b.Helper()
	got, err := k.list(b.ctx, b, account, page)
	check(b.T, err)
	what := fmt.Sprintf("%+v", page)
	equal(b.T, what, whole[from:to], ids(got.Items))
	hasMore := to < len(whole)
	if page.Backward {
		hasMore = from > 0
	}
	equal(b.T, what+" has more", hasMore, got.HasMore)
}

func pageCursors(b *bed, k kind) {
	b.create(k)
	foreign, err := k.create(b.ctx, b, other)
	check(b.T, err)
	for _, cursor := range []string{"unknown", foreign.id} {
		for _, backward := range []bool{true, false} {
			_, err := k.list(b.ctx, b, account, store.Page{Limit: 1, Cursor: cursor, Backward: backward})
			fails(b.T, "cursor "+cursor, store.ErrUnknownCursor, err)
		}
	}
}

// pageWalk walks through many rows in pages of many sizes, to the end and back.
func pageWalk(b *bed, k kind) {
	whole := ids(b.fill(k, 250))
	for _, limit := range []int{7, 100} {
		page := store.Page{Limit: limit, Ascending: true}
		equal(b.T, "forward", whole, b.walk(k, page))
		page.Cursor, page.Backward = whole[len(whole)-1], true
		equal(b.T, "backward", whole[:len(whole)-1], b.walk(k, page))
		page = store.Page{Limit: limit}
		equal(b.T, "descending", reversed(whole), b.walk(k, page))
	}
}

// walk follows a list from page to its end, in the direction of page, and returns the ids in the list's
// order.
func (b *bed) walk(k kind, page store.Page) []string {
	b.Helper()
	var walked []string
	for {
		got, err := k.list(b.ctx, b, account, page)
		check(b.T, err)
		if page.Backward {
			walked = append(ids(got.Items), walked...)
		} else {
			walked = append(walked, ids(got.Items)...)
		}
		if !got.HasMore {
			return walked
		}
		if len(got.Items) != page.Limit {
			b.Fatalf("a page of %d rows has only %d, but more follow", page.Limit, len(got.Items))
		}
		page.Cursor = got.Items[len(got.Items)-1].id
		if page.Backward {
			page.Cursor = got.Items[0].id
		}
	}
}

// pageWalkWhileInserting misses and doubles none of the rows that were there when the walk began.
func pageWalkWhileInserting(b *bed, k kind) {
	before := ids(b.fill(k, 60))
	for _, ascending := range []bool{true, false} {
		ctx, stop := context.WithCancel(b.ctx)
		var inserting sync.WaitGroup
		inserting.Go(func() {
			for i := 0; i < 100 && ctx.Err() == nil; i++ {
				b.clock.advance(time.Microsecond)
				if _, err := k.create(b.ctx, b, account); err != nil {
					b.Error(err)
				}
			}
		})
		walked := b.walk(k, store.Page{Limit: 5, Ascending: ascending})
		stop()
		inserting.Wait()
		once := map[string]bool{}
		for _, id := range walked {
			if once[id] {
				b.Errorf("%s comes twice", id)
			}
			once[id] = true
		}
		for _, id := range before {
			if !once[id] {
				b.Errorf("%s is missed", id)
			}
		}
	}
}

// create makes one row, or fails the test.
func (b *bed) create(k kind) row {
	b.Helper()
	r, err := k.create(b.ctx, b, account)
	check(b.T, err)
	return r
}

// fill makes n rows of which some share a time, and another account's among them. It returns them in
// ascending order.
func (b *bed) fill(k kind, n int) []row {
	b.Helper()
	var rows []row
	check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
		for i := range n {
			r, err := k.create(ctx, b, account)
			if err != nil {
				return err
			}
			rows = append(rows, r)
			if i%5 == 0 {
				if _, err := k.create(ctx, b, other); err != nil {
					return err
				}
			}
			if i%3 == 2 {
				b.clock.advance(time.Microsecond)
			}
		}
		return nil
	}))
	return rows
}

// archivedPages checks pages with and without archived rows; archived tells which of whole those are.
func archivedPages(t *testing.T, whole []string, archived func(id string) bool, list func(page store.Page) []string) {
	t.Helper()
	active := slices.DeleteFunc(slices.Clone(whole), archived)
	equal(t, "active", reversed(active), list(store.Page{Limit: 10}))
	equal(t, "all", reversed(whole), list(store.Page{Limit: 10, IncludeArchived: true}))
	for i, cursor := range whole { // an archived row is a cursor, too
		after := slices.DeleteFunc(slices.Clone(whole[i+1:]), archived)
		equal(t, "active after "+cursor, after, list(store.Page{Limit: 10, Ascending: true, Cursor: cursor}))
		before := slices.DeleteFunc(slices.Clone(whole[:i]), archived)
		equal(t, "active before "+cursor, before, list(store.Page{Limit: 10, Ascending: true, Cursor: cursor, Backward: true}))
		equal(t, "all after "+cursor, whole[i+1:],
			list(store.Page{Limit: 10, Ascending: true, Cursor: cursor, IncludeArchived: true}))
	}
}

// archivedSeeds are the ids that these tests seed; every other one is archived.
func archivedSeeds(prefix string) (ids []string, archived func(id string) bool) {
	for i := range 6 {
		ids = append(ids, fmt.Sprintf("%s_%d", prefix, i))
	}
	return ids, func(id string) bool { return (id[len(id)-1]-'0')%2 == 1 }
}

func archivedAgentPages(b *bed) {
	whole, archived := archivedSeeds("agent")
	at := seedAt()
	for _, id := range whole {
		seed := seedAgent()
		seed.ID = id
		if archived(id) {
			seed.ArchivedAt = &at
		}
		_, err := b.SeedAgent(b.ctx, account, seed)
		check(b.T, err)
	}
	archivedPages(b.T, whole, archived, func(page store.Page) []string {
		got, err := b.ListAgents(b.ctx, account, page)
		check(b.T, err)
		return ids(toRows(got, agentRow).Items)
	})
}

func archivedEnvironmentPages(b *bed) {
	whole, archived := archivedSeeds("env")
	at := seedAt()
	for _, id := range whole {
		seed := seedEnvironment()
		seed.ID = id
		if archived(id) {
			seed.ArchivedAt = &at
		}
		_, err := b.SeedEnvironment(b.ctx, account, seed)
		check(b.T, err)
	}
	archivedPages(b.T, whole, archived, func(page store.Page) []string {
		got, err := b.ListEnvironments(b.ctx, account, page)
		check(b.T, err)
		return ids(toRows(got, environmentRow).Items)
	})
}
