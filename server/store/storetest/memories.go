package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Memories tests memories.
func (suite) Memories() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			in := b.memoryStore()
			b.clock.advance(time.Hour)
			spec := store.MemorySpec{Path: "用户/a.md", Content: "喜欢\nshort", Metadata: map[string]string{"k": "v"}}
			got, err := b.CreateMemory(b.ctx, account, in.ID, spec, writer())
			check(b.T, err)
			equal(b.T, "memory", store.Memory{
				MemorySpec: spec, ID: got.ID, StoreID: in.ID, Size: 12, SHA256: hashOf(spec.Content), Version: 1, VersionID: got.VersionID,
				CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
			}, got)
			hasPrefix(b.T, "mem_", got.ID)
			hasPrefix(b.T, "memver_", got.VersionID)
			b.hasMemory(got)
			b.counts(in.ID, 1, 12)
		},
		"PathInUse": func(b *bed) {
			in, elsewhere := b.memoryStore(), b.memoryStore()
			first, second := b.memory(in.ID, "a", "1"), b.memory(in.ID, "b", "2")
			b.memory(elsewhere.ID, "a", "3") // is another memory
			_, err := b.CreateMemory(b.ctx, account, in.ID, store.MemorySpec{Path: "a"}, writer())
			exists(b.T, "a", first.ID, err)
			_, err = b.UpdateMemory(b.ctx, account, in.ID, second.ID, writer(), renaming("a"))
			exists(b.T, "a", first.ID, err)
			b.hasMemory(second)
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, first.ID, writer(), anyMemory))
			_, err = b.UpdateMemory(b.ctx, account, in.ID, second.ID, writer(), renaming("a"))
			check(b.T, err)
			b.counts(in.ID, 1, 1)
		},
		"Update": func(b *bed) {
			in := b.memoryStore()
			first := b.memory(in.ID, "a", "one")
			b.clock.advance(time.Hour)
			got, err := b.UpdateMemory(b.ctx, account, in.ID, first.ID, writer(), func(current store.Memory, spec *store.MemorySpec) error {
				equal(b.T, "current", first, current)
				equal(b.T, "spec", first.MemorySpec, *spec)
				*spec = store.MemorySpec{Path: "b/c", Content: "three"}
				return nil
			})
			check(b.T, err)
			equal(b.T, "memory", store.Memory{
				MemorySpec: store.MemorySpec{Path: "b/c", Content: "three", Metadata: map[string]string{}},
				ID:         first.ID, StoreID: in.ID, Size: 5, SHA256: hashOf("three"), Version: 2, VersionID: got.VersionID,
				CreatedAt: first.CreatedAt, UpdatedAt: b.clock.stamp(),
			}, got)
			b.hasMemory(got)
			b.counts(in.ID, 1, 5)
			_, err = b.FindMemory(b.ctx, account, in.ID, "a")
			missing(b.T, store.MissingError{Noun: store.NounMemory, ID: "a"}, err)
			b.clock.advance(time.Hour)
			same, err := b.UpdateMemory(b.ctx, account, in.ID, first.ID, writer(), func(_ store.Memory, spec *store.MemorySpec) error {
				spec.Metadata = nil
				return nil
			})
			check(b.T, err)
			equal(b.T, "memory in which nothing is new", got, same)
			equal(b.T, "versions", 2, len(b.memoryVersions(in.ID)))
			_, err = b.UpdateMemory(b.ctx, account, in.ID, first.ID, writer(), func(_ store.Memory, spec *store.MemorySpec) error {
				spec.Content = "lost"
				return errStop
			})
			fails(b.T, "update", errStop, err)
			b.hasMemory(got)
		},
		"Delete": func(b *bed) {
			in := b.memoryStore()
			m := b.memory(in.ID, "a", "one")
			fails(b.T, "deletion", errStop, b.DeleteMemory(b.ctx, account, in.ID, m.ID, writer(), func(got store.Memory) error {
				equal(b.T, "memory", m, got)
				return errStop
			}))
			b.hasMemory(m)
			full := writer()
			full.MaxBytes = 1 // a deletion makes room
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, m.ID, full, anyMemory))
			b.counts(in.ID, 0, 0)
			b.noMemory(in.ID, m.ID)
			again := b.memory(in.ID, "a", "two")
			b.hasMemory(again)
			list, err := b.ListMemories(b.ctx, account, in.ID, store.MemoryFilter{}, store.Page{Limit: 10, Cursor: m.ID, Ascending: true})
			check(b.T, err)
			equal(b.T, "after the deleted one", 1, len(list.Items))
		},
		"Bounds": func(b *bed) {
			in := b.memoryStore()
			by := writer()
			by.MaxMemories = 2
			b.memory(in.ID, "a", "")
			second, err := b.CreateMemory(b.ctx, account, in.ID, store.MemorySpec{Path: "b"}, by)
			check(b.T, err)
			_, err = b.CreateMemory(b.ctx, account, in.ID, store.MemorySpec{Path: "c"}, by)
			fails(b.T, "third memory", store.ErrConflict, err)
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, second.ID, by, anyMemory))
			by.MaxBytes = 10_000
			m, err := b.CreateMemory(b.ctx, account, in.ID, store.MemorySpec{Path: "c", Content: strings.Repeat("x", 6000)}, by)
			check(b.T, err)
			grow := func(_ store.Memory, spec *store.MemorySpec) error { spec.Content += "y"; return nil }
			_, err = b.UpdateMemory(b.ctx, account, in.ID, m.ID, by, grow)
			fails(b.T, "version beyond the bytes", store.ErrConflict, err)
			b.hasMemory(m)
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, m.ID, by, anyMemory))
			_, err = b.RedactMemoryVersion(b.ctx, account, in.ID, m.VersionID, by)
			check(b.T, err)
			_, err = b.CreateMemory(b.ctx, account, in.ID, store.MemorySpec{Path: "d", Content: strings.Repeat("x", 5000)}, by)
			check(b.T, err)
		},
		"OtherStore": func(b *bed) {
			in, elsewhere := b.memoryStore(), b.memoryStore()
			m := b.memory(in.ID, "a", "one")
			b.noMemory(elsewhere.ID, m.ID)
			_, err := b.ListMemories(b.ctx, account, elsewhere.ID, store.MemoryFilter{}, store.Page{Limit: 1, Cursor: m.ID})
			fails(b.T, "cursor", store.ErrUnknownCursor, err)
			_, err = b.ListMemoryTree(b.ctx, account, elsewhere.ID, store.MemoryFilter{}, store.Page{Limit: 1, Cursor: m.ID})
			fails(b.T, "cursor of a tree", store.ErrUnknownCursor, err)
			_, err = b.GetMemoryVersion(b.ctx, account, elsewhere.ID, m.VersionID)
			missing(b.T, store.MissingError{Noun: store.NounMemoryVersion, ID: m.VersionID}, err)
			_, err = b.RedactMemoryVersion(b.ctx, account, elsewhere.ID, m.VersionID, writer())
			missing(b.T, store.MissingError{Noun: store.NounMemoryVersion, ID: m.VersionID}, err)
			b.hasMemory(m)
		},
		"UnknownStore": func(b *bed) {
			in := b.memoryStore()
			m := b.memory(in.ID, "a", "one")
			for _, acc := range []string{account, other} {
				id := in.ID
				if acc == account {
					id = "memstore_unknown"
				}
				for _, call := range memoryCalls(acc, id, m.ID, m.VersionID) {
					missing(b.T, store.MissingError{Noun: store.NounMemoryStore, ID: id}, call.do(b.ctx, b))
				}
			}
			b.hasMemory(m)
		},
		"ArchivedStore": func(b *bed) {
			in := b.memoryStore()
			old := b.memory(in.ID, "a", "one")
			m, err := b.UpdateMemory(b.ctx, account, in.ID, old.ID, writer(), renaming("b"))
			check(b.T, err)
			_, err = b.ArchiveMemoryStore(b.ctx, account, in.ID)
			check(b.T, err)
			_, createErr := b.CreateMemory(b.ctx, account, in.ID, store.MemorySpec{Path: "c"}, writer())
			_, updateErr := b.UpdateMemory(b.ctx, account, in.ID, m.ID, writer(), renaming("c"))
			for _, err := range []error{createErr, updateErr, b.DeleteMemory(b.ctx, account, in.ID, m.ID, writer(), anyMemory)} {
				conflict(b.T, archivedMemory(in.ID), err)
			}
			b.hasMemory(m)
			_, err = b.RedactMemoryVersion(b.ctx, account, in.ID, old.VersionID, writer())
			check(b.T, err)
			check(b.T, b.DeleteMemoryStore(b.ctx, account, in.ID))
		},
		"List": func(b *bed) {
			in := b.memoryStore()
			var list []store.Memory
			for _, path := range []string{"a%", "a_b", "a/1", "用/2", "用户"} {
				list = append(list, b.memory(in.ID, path, "text of "+path))
				b.clock.advance(time.Second)
			}
			for prefix, want := range map[string]int{"": 5, "a": 3, "a%": 1, "a_": 1, "用": 2, "用/": 1, "A": 0, "text": 0} {
				got, err := b.ListMemories(b.ctx, account, in.ID, store.MemoryFilter{Prefix: prefix}, store.Page{Limit: 10})
				check(b.T, err)
				equal(b.T, "below "+prefix, want, len(got.Items))
			}
			full, err := b.ListMemories(b.ctx, account, in.ID, store.MemoryFilter{Content: true}, store.Page{Limit: 10, Ascending: true})
			check(b.T, err)
			equal(b.T, "with content", list, full.Items)
			var ids []string
			for i := range list {
				ids = append(ids, list[i].ID)
				list[i].Content = ""
			}
			basic, err := b.ListMemories(b.ctx, account, in.ID, store.MemoryFilter{}, store.Page{Limit: 10, Ascending: true})
			check(b.T, err)
			equal(b.T, "without content", list, basic.Items)
			windows(b, ids, []int{1, 2, 5, 6}, func(page store.Page) (store.List[string], error) {
				got, err := b.ListMemories(b.ctx, account, in.ID, store.MemoryFilter{}, page)
				return listOf(got, func(m store.Memory) string { return m.ID }), err
			})
		},
		"Tree": func(b *bed) {
			in := b.memoryStore()
			for _, path := range []string{"b", "dir/2", "B", "dir.md", "dir/1", "dir/sub/x", "用户/z", "a"} {
				b.memory(in.ID, path, "text of "+path)
			}
			for prefix, want := range map[string]string{
				"": "B a b dir.md dir/ 用户/", "dir/": "dir/1 dir/2 dir/sub/", "dir": "dir.md dir/", "d": "dir.md dir/", "用": "用户/", "x": "",
				"dir/sub/": "dir/sub/x",
			} {
				for limit := 1; limit <= 7; limit++ {
					for _, backward := range []bool{false, true} {
						equal(b.T, fmt.Sprintf("below %q, %d at a time, backward %v", prefix, limit, backward), want, b.walksTree(in.ID, prefix, limit, backward))
					}
				}
			}
			m, err := b.FindMemory(b.ctx, account, in.ID, "dir.md")
			check(b.T, err)
			list, err := b.ListMemoryTree(b.ctx, account, in.ID, store.MemoryFilter{Prefix: "dir.", Content: true}, store.Page{Limit: 1})
			check(b.T, err)
			equal(b.T, "entry", store.MemoryEntry{Memory: &m, Cursor: m.ID}, list.Items[0])
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, m.ID, writer(), anyMemory)) // whose id is still a cursor
			list, err = b.ListMemoryTree(b.ctx, account, in.ID, store.MemoryFilter{}, store.Page{Limit: 1, Cursor: m.ID})
			check(b.T, err)
			equal(b.T, "after the deleted one", "dir/", list.Items[0].Prefix)
			one, err := b.ListMemoryTree(b.ctx, account, in.ID, store.MemoryFilter{Content: true}, store.Page{Limit: 5, Bytes: 1})
			check(b.T, err)
			equal(b.T, "entries of a page for one byte", 1, len(one.Items))
			equal(b.T, "more", true, one.HasMore)
		},
		"TwoWriters": func(b *bed) { twoWriters(b, b.Store, b.Store) },
		"Undone": func(b *bed) {
			in := b.memoryStore()
			m := b.memory(in.ID, "a", "one")
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				for _, write := range memoryCalls(account, in.ID, m.ID, m.VersionID) {
					if err := write.do(ctx, b); err != nil && !errors.Is(err, store.ErrConflict) {
						check(b.T, err)
					}
				}
				return errStop
			}))
			b.hasMemory(m)
			b.counts(in.ID, 1, 3)
			equal(b.T, "versions", 1, len(b.memoryVersions(in.ID)))
		},
	}
}

// twoWriters append marks to one memory at once, each mark to what the writer has read: a change that is based on something
// else is refused. What is stored in the end has each mark of a change that succeeded, and no other one.
func twoWriters(b *bed, stores ...store.Store) {
	in := b.memoryStore()
	m := b.memory(in.ID, "a", "")
	const rounds = 12
	written := make([]string, len(stores))
	each(b.T, len(stores), func(i int) error {
		for round := range rounds {
			read, err := stores[i].GetMemory(b.ctx, account, in.ID, m.ID)
			if err != nil {
				return err
			}
			mark := fmt.Sprintf("%d.%d ", i, round)
			_, err = stores[i].UpdateMemory(b.ctx, account, in.ID, m.ID, writer(), func(current store.Memory, spec *store.MemorySpec) error {
				if current.SHA256 != read.SHA256 {
					return errStop
				}
				spec.Content = read.Content + mark
				return nil
			})
			switch {
			case err == nil:
				written[i] += mark
			case !errors.Is(err, errStop):
				return err
			}
		}
		return nil
	})
	got, err := b.GetMemory(b.ctx, account, in.ID, m.ID)
	check(b.T, err)
	marks := strings.Fields(strings.Join(written, ""))
	for _, mark := range marks {
		if strings.Count(" "+got.Content, " "+mark+" ") != 1 {
			b.Errorf("the change %s succeeded, and is lost: %q", mark, got.Content)
		}
	}
	equal(b.T, "marks", len(marks), len(strings.Fields(got.Content)))
	equal(b.T, "version", len(marks)+1, int(got.Version))
	equal(b.T, "versions", len(marks)+1, len(b.memoryVersions(in.ID)))
}

// walksTree reads a tree's list page by page and returns what it shows, in its order.
func (b *bed) walksTree(storeID, prefix string, limit int, backward bool) string {
	b.Helper()
	var names []string
	page := store.Page{Limit: limit}
	if backward { // from behind the last one
		all, err := b.ListMemoryTree(b.ctx, account, storeID, store.MemoryFilter{Prefix: prefix}, store.Page{Limit: 100})
		check(b.T, err)
		if len(all.Items) == 0 {
			return ""
		}
		last := all.Items[len(all.Items)-1]
		names, page.Cursor, page.Backward = []string{nameOf(last)}, last.Cursor, true
	}
	for {
		list, err := b.ListMemoryTree(b.ctx, account, storeID, store.MemoryFilter{Prefix: prefix}, page)
		check(b.T, err)
		var read []string
		for _, entry := range list.Items {
			read = append(read, nameOf(entry))
		}
		if backward {
			names = append(read, names...)
		} else {
			names = append(names, read...)
		}
		if !list.HasMore || len(list.Items) == 0 {
			return strings.Join(names, " ")
		}
		page.Cursor = list.Items[len(list.Items)-1].Cursor
		if backward {
			page.Cursor = list.Items[0].Cursor
		}
	}
}

func nameOf(e store.MemoryEntry) string {
	if e.Memory != nil {
		return e.Memory.Path
	}
	return e.Prefix
}

func writer() store.MemoryWriter {
	return store.MemoryWriter{TokenID: "tok_1", MaxMemories: 2000, MaxBytes: 1 << 30}
}

func hashOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func anyMemory(store.Memory) error { return nil }

// renaming returns a change of a memory's path.
func renaming(path string) func(store.Memory, *store.MemorySpec) error {
	return func(_ store.Memory, spec *store.MemorySpec) error { spec.Path = path; return nil }
}

// exists fails the test unless err is that MemoryExistsError.
func exists(t *testing.T, path, id string, err error) {
	t.Helper()
	fails(t, "path in use", store.ErrConflict, err)
	var got *store.MemoryExistsError
	if !errors.As(err, &got) || got.Path != path || got.ID != id {
		t.Errorf("want a MemoryExistsError of %s, %s, got %v", path, id, err)
	}
}

// listOf converts a list.
func listOf[T, U any](list store.List[T], convert func(T) U) store.List[U] {
	converted := store.List[U]{Items: []U{}, HasMore: list.HasMore}
	for _, item := range list.Items {
		converted.Items = append(converted.Items, convert(item))
	}
	return converted
}

func (b *bed) memory(storeID, path, content string) store.Memory {
	b.Helper()
	m, err := b.CreateMemory(b.ctx, account, storeID, store.MemorySpec{Path: path, Content: content}, writer())
	check(b.T, err)
	return m
}

// hasMemory fails the test unless the memory is as wanted, by its id and by its path.
func (b *bed) hasMemory(want store.Memory) {
	b.Helper()
	got, err := b.GetMemory(b.ctx, account, want.StoreID, want.ID)
	check(b.T, err)
	equal(b.T, "memory", want, got)
	got, err = b.FindMemory(b.ctx, account, want.StoreID, want.Path)
	check(b.T, err)
	equal(b.T, "memory at its path", want, got)
}

// noMemory fails the test unless the memory is, in every method, one that does not exist.
func (b *bed) noMemory(storeID, id string) {
	b.Helper()
	_, getErr := b.GetMemory(b.ctx, account, storeID, id)
	_, updateErr := b.UpdateMemory(b.ctx, account, storeID, id, writer(), renaming("x"))
	deleteErr := b.DeleteMemory(b.ctx, account, storeID, id, writer(), anyMemory)
	for _, err := range []error{getErr, updateErr, deleteErr} {
		missing(b.T, store.MissingError{Noun: store.NounMemory, ID: id}, err)
	}
}

// counts fails the test unless a memory store has so many memories, with so many bytes.
func (b *bed) counts(id string, memories, bytes int64) {
	b.Helper()
	m, err := b.GetMemoryStore(b.ctx, account, id)
	check(b.T, err)
	equal(b.T, "memories", memories, m.Memories)
	equal(b.T, "bytes", bytes, m.Bytes)
}

// memoryVersions returns all versions of a memory store, oldest first.
func (b *bed) memoryVersions(storeID string) []store.MemoryVersion {
	b.Helper()
	list, err := b.ListMemoryVersions(b.ctx, account, storeID, store.MemoryVersionFilter{Content: true}, store.Page{Limit: 1000, Ascending: true})
	check(b.T, err)
	return list.Items
}
