package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// MemoryVersions tests the versions of memories.
func (suite) MemoryVersions() map[string]test {
	return map[string]test{
		"Record": func(b *bed) {
			in := b.memoryStore()
			first := b.memory(in.ID, "a", "one")
			b.clock.advance(time.Second)
			agent := writer()
			agent.SessionID, agent.TokenID = "sess_1", ""
			second, err := b.UpdateMemory(b.ctx, account, in.ID, first.ID, agent, renaming("b"))
			check(b.T, err)
			b.clock.advance(time.Second)
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, first.ID, writer(), anyMemory))
			got := b.memoryVersions(in.ID)
			want := []store.MemoryVersion{
				{MemorySpec: first.MemorySpec, ID: first.VersionID, Operation: store.MemoryCreated, Number: 1, Size: 3, SHA256: first.SHA256, TokenID: "tok_1", CreatedAt: first.CreatedAt},
				{MemorySpec: second.MemorySpec, ID: second.VersionID, Operation: store.MemoryUpdated, Number: 2, Size: 3, SHA256: first.SHA256, SessionID: "sess_1", CreatedAt: second.UpdatedAt},
				{
					MemorySpec: store.MemorySpec{Path: "b", Metadata: map[string]string{}}, ID: got[2].ID, Operation: store.MemoryDeleted, Number: 3,
					TokenID: "tok_1", CreatedAt: b.clock.stamp(),
				},
			}
			for i := range want {
				want[i].StoreID, want[i].MemoryID = in.ID, first.ID
				read, err := b.GetMemoryVersion(b.ctx, account, in.ID, want[i].ID)
				check(b.T, err)
				equal(b.T, "version", want[i], read)
			}
			equal(b.T, "versions", want, got)
		},
		"Filter": func(b *bed) {
			in := b.memoryStore()
			first, second := b.memory(in.ID, "a", "1"), b.memory(in.ID, "b", "2")
			b.memory(b.memoryStore().ID, "a", "elsewhere")
			b.clock.advance(time.Second)
			agent := store.MemoryWriter{SessionID: "sess_1", MaxMemories: 10, MaxBytes: 1 << 20}
			_, err := b.UpdateMemory(b.ctx, account, in.ID, first.ID, agent, renaming("c"))
			check(b.T, err)
			late := b.clock.stamp()
			b.clock.advance(time.Second)
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, first.ID, writer(), anyMemory))
			for want, filters := range map[int][]store.MemoryVersionFilter{
				4: {{}, {CreatedFrom: &first.CreatedAt}},
				3: {{MemoryID: first.ID}, {TokenID: "tok_1"}, {CreatedTo: &late}},
				2: {{Operation: store.MemoryCreated}, {CreatedFrom: &late}},
				1: {{MemoryID: second.ID}, {SessionID: "sess_1"}, {Operation: store.MemoryDeleted}, {MemoryID: first.ID, Operation: store.MemoryCreated}, {CreatedFrom: &late, CreatedTo: &late}},
				0: {{MemoryID: "mem_x"}, {SessionID: "sess_2"}, {MemoryID: second.ID, Operation: store.MemoryDeleted}},
			} {
				for _, only := range filters {
					got, err := b.ListMemoryVersions(b.ctx, account, in.ID, only, store.Page{Limit: 10})
					check(b.T, err)
					equal(b.T, fmt.Sprintf("%+v", only), want, len(got.Items))
				}
			}
			var ids []string
			for _, v := range b.memoryVersions(in.ID) {
				ids = append(ids, v.ID)
				if v.Operation != store.MemoryDeleted && v.Content == "" {
					b.Errorf("%s has no content", v.ID)
				}
			}
			windows(b, ids, []int{1, 3, 5}, func(page store.Page) (store.List[string], error) {
				got, err := b.ListMemoryVersions(b.ctx, account, in.ID, store.MemoryVersionFilter{}, page)
				return listOf(got, func(v store.MemoryVersion) string { return v.ID + v.Content }), err
			})
		},
		"Redact": func(b *bed) {
			in := b.memoryStore()
			first := b.memory(in.ID, "a", "secret")
			refused := func(id, reason string) {
				b.Helper()
				_, err := b.RedactMemoryVersion(b.ctx, account, in.ID, id, writer())
				conflict(b.T, store.StateError{Noun: store.NounMemoryVersion, ID: id, Reason: reason, Invalid: true}, err)
			}
			refused(first.VersionID, "is the current version of a memory; change or delete the memory first.")
			b.hasMemory(first)
			second, err := b.UpdateMemory(b.ctx, account, in.ID, first.ID, writer(), func(_ store.Memory, spec *store.MemorySpec) error {
				spec.Content = "public"
				return nil
			})
			check(b.T, err)
			want := b.memoryVersions(in.ID)
			b.clock.advance(time.Hour)
			at := b.clock.stamp()
			want[0].Content, want[0].RedactedAt, want[0].RedactedBy = "", &at, "tok_1"
			got, err := b.RedactMemoryVersion(b.ctx, account, in.ID, first.VersionID, writer())
			check(b.T, err)
			equal(b.T, "redacted", want[0], got)
			equal(b.T, "versions", want, b.memoryVersions(in.ID))
			refused(first.VersionID, "is redacted already.")
			b.hasMemory(second)
			check(b.T, b.DeleteMemory(b.ctx, account, in.ID, first.ID, writer(), anyMemory))
			_, err = b.RedactMemoryVersion(b.ctx, account, in.ID, second.VersionID, writer()) // no longer the current one
			check(b.T, err)
			for _, v := range b.memoryVersions(in.ID) {
				equal(b.T, "content", "", v.Content)
			}
			_, err = b.RedactMemoryVersion(b.ctx, account, in.ID, "memver_x", writer())
			missing(b.T, store.MissingError{Noun: store.NounMemoryVersion, ID: "memver_x"}, err)
		},
		"NewestAreKept": func(b *bed) {
			in := b.memoryStore()
			m, bystander := b.memory(in.ID, "a", "0"), b.memory(in.ID, "b", "0")
			tight := writer()
			tight.MaxBytes = (store.MaxMemoryVersions + 3) * 520 // has room for the versions that are kept
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				for i := range store.MaxMemoryVersions + 5 {
					_, err := b.UpdateMemory(ctx, account, in.ID, m.ID, tight, func(_ store.Memory, spec *store.MemorySpec) error {
						spec.Content = fmt.Sprint(i + 1)
						return nil
					})
					check(b.T, err)
				}
				return nil
			}))
			list, err := b.ListMemoryVersions(b.ctx, account, in.ID, store.MemoryVersionFilter{MemoryID: m.ID}, store.Page{Limit: 1000, Ascending: true})
			check(b.T, err)
			equal(b.T, "versions", store.MaxMemoryVersions, len(list.Items))
			equal(b.T, "oldest", int32(7), list.Items[0].Number)
			b.hasMemory(bystander)
			got, err := b.GetMemory(b.ctx, account, in.ID, m.ID)
			check(b.T, err)
			equal(b.T, "content", fmt.Sprint(store.MaxMemoryVersions+5), got.Content)
		},
	}
}

// MemoryWrites calls every method that writes to memory stores.
func (suite) MemoryWrites() []call {
	return []call{
		{"SeedMemoryStore", func(ctx context.Context, s store.Store) error {
			_, err := s.SeedMemoryStore(ctx, account, store.MemoryStore{ID: "memstore_every", CreatedAt: seedAt(), UpdatedAt: seedAt()})
			return err
		}},
		{"CreateMemory UpdateMemory DeleteMemory RedactMemoryVersion", func(ctx context.Context, s store.Store) error {
			m, err := s.CreateMemory(ctx, account, "memstore_every", store.MemorySpec{Path: "a", Content: "1"}, writer())
			if err != nil {
				return err
			}
			_, err = s.UpdateMemory(ctx, account, m.StoreID, m.ID, writer(), renaming("b"))
			if err != nil {
				return err
			}
			if _, err := s.RedactMemoryVersion(ctx, account, m.StoreID, m.VersionID, writer()); err != nil {
				return err
			}
			return s.DeleteMemory(ctx, account, m.StoreID, m.ID, writer(), anyMemory)
		}},
		{"SweepMemories", func(ctx context.Context, s store.Store) error { _, err := s.SweepMemories(ctx, 1); return err }},
	}
}

// memoryCalls has a call of every method on what is in a memory store.
func memoryCalls(acc, storeID, id, version string) []call {
	page := store.Page{Limit: 1}
	return []call{
		{"GetMemory", func(ctx context.Context, s store.Store) error {
			_, err := s.GetMemory(ctx, acc, storeID, id)
			return err
		}},
		{"FindMemory", func(ctx context.Context, s store.Store) error {
			_, err := s.FindMemory(ctx, acc, storeID, "a")
			return err
		}},
		{"ListMemories", func(ctx context.Context, s store.Store) error {
			_, err := s.ListMemories(ctx, acc, storeID, store.MemoryFilter{}, page)
			return err
		}},
		{"ListMemoryTree", func(ctx context.Context, s store.Store) error {
			_, err := s.ListMemoryTree(ctx, acc, storeID, store.MemoryFilter{}, page)
			return err
		}},
		{"GetMemoryVersion", func(ctx context.Context, s store.Store) error {
			_, err := s.GetMemoryVersion(ctx, acc, storeID, version)
			return err
		}},
		{"ListMemoryVersions", func(ctx context.Context, s store.Store) error {
			_, err := s.ListMemoryVersions(ctx, acc, storeID, store.MemoryVersionFilter{}, page)
			return err
		}},
		{"RedactMemoryVersion", func(ctx context.Context, s store.Store) error {
			_, err := s.RedactMemoryVersion(ctx, acc, storeID, version, writer())
			return err
		}},
		{"CreateMemory", func(ctx context.Context, s store.Store) error {
			_, err := s.CreateMemory(ctx, acc, storeID, store.MemorySpec{Path: "new"}, writer())
			return err
		}},
		{"UpdateMemory", func(ctx context.Context, s store.Store) error {
			_, err := s.UpdateMemory(ctx, acc, storeID, id, writer(), renaming("other"))
			return err
		}},
		{"DeleteMemory", func(ctx context.Context, s store.Store) error {
			return s.DeleteMemory(ctx, acc, storeID, id, writer(), anyMemory)
		}},
	}
}
