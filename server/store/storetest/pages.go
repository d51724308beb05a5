package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Pages tests lists of agents, environments and sessions.
func (suite) Pages() map[string]test {
	tests := map[string]test{}
	for _, k := range kinds() {
		for name, run := range map[string]func(b *bed, k kind){
			"Empty": emptyPage, "Order": pageOrder, "Windows": pageWindows, "Cursors": pageCursors,
			"Archived": archivedPages, "Deleted": deletedPages, "Walk": pageWalk, "WalkWhileChanging": pageWalkWhileChanging,
			"Bytes": pageBytes, "Reserve": pageReserve,
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
	windows(b, ids(b.fill(k, 5)), []int{1, 2, 3, 4, 5, 6}, func(page store.Page) (store.List[string], error) {
		got, err := k.list(b.ctx, b, account, page)
		return store.List[string]{Items: ids(got.Items), HasMore: got.HasMore}, err
	})
}

// windows fails the test unless list returns, for every page with one of the limits, what the contract
// says of a list that is, in ascending order, the given cursors.
func windows(b *bed, ascending []string, limits []int, list func(page store.Page) (store.List[string], error)) {
	b.Helper()
	total := len(ascending)
	window := func(whole []string, page store.Page, from, to int) {
		b.Helper()
		got, err := list(page)
		check(b.T, err)
		hasMore := to < total
		if page.Backward {
			hasMore = from > 0
		}
		want := store.List[string]{Items: whole[from:to], HasMore: hasMore}
		equal(b.T, fmt.Sprintf("%+v", page), want, got)
		if page.Limit == 1 { // a page without room for a second row is like one for a single row
			page.Limit, page.Bytes = 100, 1
			got, err := list(page)
			check(b.T, err)
			equal(b.T, fmt.Sprintf("%+v", page), want, got)
		}
	}
	for _, up := range []bool{true, false} {
		whole := ascending
		if !up {
			whole = reversed(whole)
		}
		for _, limit := range limits {
			window(whole, store.Page{Limit: limit, Ascending: up}, 0, min(limit, total))
			window(whole, store.Page{Limit: limit, Ascending: up, Backward: true}, 0, 0)
			for i, cursor := range whole {
				window(whole, store.Page{Limit: limit, Ascending: up, Cursor: cursor}, i+1, min(i+1+limit, total))
				window(whole, store.Page{Limit: limit, Ascending: up, Cursor: cursor, Backward: true}, max(0, i-limit), i)
			}
		}
	}
}

// pageBytes has rows of about one size: a page with room for three of them has three, or two of the largest.
func pageBytes(b *bed, k kind) {
	whole := ids(b.fill(k, 20))
	var sizes []int
	page := store.Page{Limit: 100, Ascending: true, Reserve: func(bytes int) error {
		sizes = append(sizes, bytes)
		return nil
	}}
	all, err := k.list(b.ctx, b, account, page)
	check(b.T, err)
	equal(b.T, "a list within the bound", store.List[string]{Items: whole}, store.List[string]{Items: ids(all.Items), HasMore: all.HasMore})
	total := 0
	for _, size := range sizes {
		total += size
	}
	page = store.Page{Limit: 100, Ascending: true, Bytes: 3 * total / len(whole)}
	equal(b.T, "forward", whole, b.walk(k, page))
	first, err := k.list(b.ctx, b, account, page)
	check(b.T, err)
	if n := len(first.Items); n != 2 && n != 3 || !first.HasMore {
		b.Errorf("a page for three rows has %d, and more: %v", n, first.HasMore)
	}
	page.Cursor, page.Backward = whole[len(whole)-1], true
	equal(b.T, "backward", whole[:len(whole)-1], b.walk(k, page))
	exact := store.Page{Limit: 100, Ascending: true, Bytes: total}
	got, err := k.list(b.ctx, b, account, exact)
	check(b.T, err)
	equal(b.T, "a list that just fits", store.List[string]{Items: whole}, store.List[string]{Items: ids(got.Items), HasMore: got.HasMore})
}

// pageReserve refuses the memory for a row: the list fails with that error, and the store goes on.
func pageReserve(b *bed, k kind) {
	whole := ids(b.fill(k, 5))
	full := errors.New("full")
	for room := range 6 {
		reserved := 0
		got, err := k.list(b.ctx, b, account, store.Page{Limit: 100, Ascending: true, Reserve: func(bytes int) error {
			if bytes > 0 {
				reserved++
			}
			if reserved > room {
				return full
			}
			return nil
		}})
		if room < 5 && (!errors.Is(err, full) || len(got.Items) > 0) {
			b.Errorf("room for %d rows: %v, %d rows", room, err, len(got.Items))
		}
	}
	got, err := k.list(b.ctx, b, account, store.Page{Limit: 100, Ascending: true})
	check(b.T, err)
	equal(b.T, "after that", whole, ids(got.Items))
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
	whole := ids(b.fill(k, 150))
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
	return b.walkWith(k, page, func(string) {})
}

// walkWith walks, and calls between with the cursor before it turns to the next page.
func (b *bed) walkWith(k kind, page store.Page, between func(cursor string)) []string {
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
		if len(got.Items) != page.Limit && page.Bytes == 0 || len(got.Items) == 0 {
			b.Fatalf("a page of %d rows has only %d, but more follow", page.Limit, len(got.Items))
		}
		page.Cursor = got.Items[len(got.Items)-1].id
		if page.Backward {
			page.Cursor = got.Items[0].id
		}
		between(page.Cursor)
	}
}

// pageWalkWhileChanging walks while rows are created, archived and deleted, and deletes the row at the cursor
// between pages. It must double no row, and miss none of those that were there throughout.
func pageWalkWhileChanging(b *bed, k kind) {
	for _, ascending := range []bool{true, false} {
		before := ids(b.fill(k, 60))
		b.clock.advance(time.Microsecond)
		stay := map[string]bool{}
		for i, id := range before {
			stay[id] = i%4 != 0
		}
		ctx, stop := context.WithCancel(b.ctx)
		var changing sync.WaitGroup
		changing.Go(func() {
			for i := 0; i < len(before) && ctx.Err() == nil; i++ {
				b.clock.advance(time.Microsecond)
				made, err := k.create(b.ctx, b, account)
				if err == nil && i%2 == 0 {
					err = k.remove(b.ctx, b, account, made.id)
				}
				if err == nil && i%4 == 0 {
					if err = k.remove(b.ctx, b, account, before[i]); errors.Is(err, store.ErrNotFound) {
						err = nil // it was at the cursor
					}
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
		walked := b.walkWith(k, store.Page{Limit: 5, Ascending: ascending}, func(cursor string) {
			if err := k.remove(b.ctx, b, account, cursor); err != nil && !errors.Is(err, store.ErrNotFound) {
				b.Error(err)
			}
		})
		stop()
		changing.Wait()
		times := map[string]int{}
		for _, id := range walked {
			if times[id]++; times[id] == 2 {
				b.Errorf("%s comes twice", id)
			}
		}
		for _, id := range before {
			if stay[id] && times[id] == 0 {
				b.Errorf("%s is missed", id)
			}
		}
	}
}

// create creates one row, or fails the test.
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

// archivedPages has pages with and without archived rows.
func archivedPages(b *bed, k kind) {
	whole, some := everyOther(ids(b.fill(k, 6)))
	for _, id := range some {
		_, err := k.archive(b.ctx, b, account, id, b.clock.Now())
		check(b.T, err)
	}
	hiddenPages(b, k, whole, some, store.Page{})
	hiddenPages(b, k, whole, nil, store.Page{IncludeArchived: true})
}

// deletedPages deletes rows of which one is archived.
func deletedPages(b *bed, k kind) {
	whole, some := everyOther(ids(b.fill(k, 6)))
	_, err := k.archive(b.ctx, b, account, some[1], b.clock.Now())
	check(b.T, err)
	for _, id := range some {
		check(b.T, k.remove(b.ctx, b, account, id))
	}
	hiddenPages(b, k, whole, some, store.Page{})
	hiddenPages(b, k, whole, some, store.Page{IncludeArchived: true})
}

// everyOther returns ids and every other one of them.
func everyOther(ids []string) (whole, some []string) {
	for i := 1; i < len(ids); i += 2 {
		some = append(some, ids[i])
	}
	return ids, some
}

// hiddenPages checks pages of a list that is whole but for what is hidden; a hidden row is also a cursor.
func hiddenPages(b *bed, k kind, whole, hidden []string, page store.Page) {
	b.Helper()
	shown := func(ids []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(hidden, id) })
	}
	lists := func(want []string, page store.Page) {
		b.Helper()
		got, err := k.list(b.ctx, b, account, page)
		check(b.T, err)
		equal(b.T, fmt.Sprintf("%+v", page), shown(want), ids(got.Items))
	}
	page.Limit = 10
	lists(reversed(whole), page)
	page.Ascending = true
	lists(whole, page)
	for i, cursor := range whole {
		page.Cursor, page.Backward = cursor, false
		lists(whole[i+1:], page)
		page.Backward = true
		lists(whole[:i], page)
	}
}
