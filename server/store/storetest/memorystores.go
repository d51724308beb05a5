package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// MemoryStores tests the methods of memory stores that other rows do not have.
func (suite) MemoryStores() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			got, err := b.CreateMemoryStore(b.ctx, account, memoryStoreSpec())
			check(b.T, err)
			equal(b.T, "memory store", store.MemoryStore{
				MemoryStoreSpec: memoryStoreSpec(), ID: "memstore_000001", CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
			}, got)
			b.reads(memoryStoreKind(), account, memoryStoreRow(got))
		},
		"NoMetadata": func(b *bed) {
			got, err := b.CreateMemoryStore(b.ctx, account, store.MemoryStoreSpec{Name: "n"})
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{}, got.Metadata)
			b.reads(memoryStoreKind(), account, memoryStoreRow(got))
		},
		"ArchivedIsFixed": func(b *bed) {
			m := b.memoryStore()
			archived, err := b.ArchiveMemoryStore(b.ctx, account, m.ID)
			check(b.T, err)
			b.clock.advance(time.Hour)
			again, err := b.ArchiveMemoryStore(b.ctx, account, m.ID)
			check(b.T, err)
			equal(b.T, "archived again", archived, again)
			_, err = b.UpdateMemoryStore(b.ctx, account, m.ID, func(*store.MemoryStoreSpec) error {
				b.Error("a change is called for an archived memory store")
				return nil
			})
			conflict(b.T, archivedMemory(m.ID), err)
		},
		"Seed": func(b *bed) {
			first := store.MemoryStore{MemoryStoreSpec: memoryStoreSpec(), ID: "memstore_seed", CreatedAt: seedAt(), UpdatedAt: seedAt().Add(time.Hour)}
			second := first
			second.Name = "changed"
			for i, seed := range []store.MemoryStore{first, second} {
				stored, err := b.SeedMemoryStore(b.ctx, account, seed)
				check(b.T, err)
				equal(b.T, "stored", i == 0, stored)
				b.reads(memoryStoreKind(), account, memoryStoreRow(first))
			}
			check(b.T, b.DeleteMemoryStore(b.ctx, account, first.ID))
			stored, err := b.SeedMemoryStore(b.ctx, account, first)
			check(b.T, err)
			equal(b.T, "stored after its deletion", false, stored)
			stored, err = b.SeedMemoryStore(b.ctx, other, second)
			check(b.T, err)
			equal(b.T, "stored for another account", true, stored)
		},
		"Filter": func(b *bed) {
			var times []time.Time
			for range 4 {
				times = append(times, b.memoryStore().CreatedAt)
				b.clock.advance(time.Second)
			}
			for _, c := range []struct {
				from, to *time.Time
				want     int
			}{{nil, nil, 4}, {&times[1], nil, 3}, {nil, &times[2], 3}, {&times[1], &times[2], 2}, {&times[3], &times[0], 0}} {
				list, err := b.ListMemoryStores(b.ctx, account, store.MemoryStoreFilter{CreatedFrom: c.from, CreatedTo: c.to}, store.Page{Limit: 10})
				check(b.T, err)
				equal(b.T, fmt.Sprint(c), c.want, len(list.Items))
			}
		},
		"InSessions": func(b *bed) {
			first, same, chinese := b.memoryStore(), b.memoryStore(), b.memoryStoreNamed("用户笔记")
			file := b.file(account, "blob").ID
			spec := store.SessionSpec{AgentID: b.agent().ID, EnvironmentID: b.environment().ID, Resources: []store.ResourceSpec{{FileID: file}}}
			for i, id := range []string{chinese.ID, first.ID, same.ID} {
				spec.MemoryStores = append(spec.MemoryStores, store.MemoryStoreUse{ID: id, ReadOnly: i == 0, Instructions: fmt.Sprint(i)})
			}
			b.clock.advance(time.Hour)
			got, err := b.CreateSession(b.ctx, account, spec)
			check(b.T, err)
			equal(b.T, "memory stores", []string{chinese.ID, first.ID, same.ID}, got.MemoryStoreIDs)
			paths := []string{"/mnt/memory/" + chinese.ID, "/mnt/memory/notes-2026", "/mnt/memory/" + same.ID}
			for i, m := range []store.MemoryStore{chinese, first, same} {
				hasPrefix(b.T, "sesr_", got.Resources[i].ID)
				equal(b.T, "resource", store.Resource{
					ID: got.Resources[i].ID, MountPath: paths[i], CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
					Memory: &store.MemoryMount{MemoryStoreUse: spec.MemoryStores[i], Name: m.Name, Description: m.Description},
				}, got.Resources[i])
			}
			equal(b.T, "file", file, got.Resources[3].FileID)
			b.readsBack(got)
			check(b.T, b.DeleteMemoryStore(b.ctx, account, first.ID))
			b.readsBack(got)
			create := func(id string) error {
				spec.MemoryStores = []store.MemoryStoreUse{{ID: chinese.ID}, {ID: id}}
				_, err := b.CreateSession(b.ctx, account, spec)
				return err
			}
			missing(b.T, store.MissingError{Noun: store.NounMemoryStore, ID: first.ID}, create(first.ID))
			foreign, err := b.CreateMemoryStore(b.ctx, other, memoryStoreSpec())
			check(b.T, err)
			missing(b.T, store.MissingError{Noun: store.NounMemoryStore, ID: foreign.ID}, create(foreign.ID))
			_, err = b.ArchiveMemoryStore(b.ctx, account, same.ID)
			check(b.T, err)
			fails(b.T, "archived", store.ErrArchived, create(same.ID))
		},
		"Erased": func(b *bed) {
			gone, live := b.memoryStore(), b.memoryStore()
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				for i := range 130 {
					_, err := b.CreateMemory(ctx, account, gone.ID, store.MemorySpec{Path: fmt.Sprint(i), Content: "0123456789"}, writer())
					check(b.T, err)
				}
				return nil
			}))
			kept := b.memory(live.ID, "kept", "text")
			check(b.T, b.DeleteMemoryStore(b.ctx, account, gone.ID))
			_, err := b.ListMemories(b.ctx, account, gone.ID, store.MemoryFilter{}, store.Page{Limit: 10})
			missing(b.T, store.MissingError{Noun: store.NounMemoryStore, ID: gone.ID}, err)
			for n := 7; n == 7; {
				n, err = b.SweepMemories(b.ctx, 7)
				check(b.T, err)
			}
			n, err := b.SweepMemories(b.ctx, 100)
			check(b.T, err)
			equal(b.T, "swept when none are left", 0, n)
			b.hasMemory(kept)
			tight := writer() // what was erased counts no more: two small memories have room
			tight.MaxBytes = 2 * 600
			_, err = b.CreateMemory(b.ctx, account, live.ID, store.MemorySpec{Path: "more"}, tight)
			check(b.T, err)
		},
		"ErasureUndone": func(b *bed) {
			m := b.memoryStore()
			kept := b.memory(m.ID, "kept", "text")
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.DeleteMemoryStore(ctx, account, m.ID))
				return errStop
			}))
			b.hasMemory(kept)
		},
		"ErasesResponses": func(b *bed) {
			m := b.memoryStore()
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				_, err := b.ClaimKey(ctx, key("k"))
				check(b.T, err)
				r := reply()
				r.Resource = m.ID
				return b.RecordResponse(ctx, key("k"), r)
			}))
			check(b.T, b.DeleteMemoryStore(b.ctx, account, m.ID))
			recorded, err := b.ClaimKey(b.ctx, key("k"))
			check(b.T, err)
			if recorded == nil || !recorded.Erased || len(recorded.Response.Body) > 0 {
				b.Errorf("the response that shows a deleted memory store: %+v", recorded)
			}
		},
	}
}

func memoryStoreSpec() store.MemoryStoreSpec {
	return store.MemoryStoreSpec{Name: "Notes (2026)", Description: "笔记", Metadata: map[string]string{"a": ""}}
}

func archivedMemory(id string) store.StateError {
	return store.StateError{Noun: store.NounMemoryStore, ID: id, Reason: "is archived and takes no changes.", Invalid: true}
}

func (b *bed) memoryStore() store.MemoryStore {
	b.Helper()
	return b.memoryStoreNamed(memoryStoreSpec().Name)
}

func (b *bed) memoryStoreNamed(name string) store.MemoryStore {
	b.Helper()
	spec := memoryStoreSpec()
	spec.Name = name
	m, err := b.CreateMemoryStore(b.ctx, account, spec)
	check(b.T, err)
	return m
}
