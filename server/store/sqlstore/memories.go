package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// memoryRows reads memories, with their content or without.
func memoryRows(content bool) rows[store.Memory] {
	return rows[store.Memory]{
		noun: store.NounMemory, table: "memories", scan: scanMemory, size: memorySize,
		selection: `SELECT r.id, r.store_id, r.path, ` + contentColumn("v", content) + `, v.metadata, v.size, v.sha256,
				r.version, r.version_id, r.created_at, r.updated_at
			FROM memories r JOIN memory_versions v ON v.account_id = r.account_id AND v.id = r.version_id`,
	}
}

// contentColumn is the column with the content of the table of versions, or nothing in its place, so that it is not read.
func contentColumn(table string, content bool) string {
	if content {
		return table + ".content"
	}
	return "''"
}

func scanMemory(row engine.Scanner) (m store.Memory, err error) {
	err = row.Scan(&m.ID, &m.StoreID, &m.Path, &m.Content, fromJSON{&m.Metadata}, &m.Size, &m.SHA256,
		&m.Version, &m.VersionID, timeTo{&m.CreatedAt}, timeTo{&m.UpdatedAt})
	return m, err
}

// memoriesOf returns a filter that matches the memories of a store.
func memoriesOf(account, storeID string, only store.MemoryFilter) *filter {
	f := filterFor(account)
	f.and("r.store_id = " + f.bind(storeID))
	if only.Prefix != "" {
		f.and(fmt.Sprintf("substr(r.path, 1, %d) = %s", utf8.RuneCountInString(only.Prefix), f.bind(only.Prefix)))
	}
	return f
}

// CreateMemory implements store.Memories.
func (s *Store) CreateMemory(ctx context.Context, account, storeID string, spec store.MemorySpec, by store.MemoryWriter) (m store.Memory, err error) {
	_, err = s.changedMemoryStore(ctx, account, storeID, func(ctx context.Context, in *store.MemoryStore) error {
		if in.Memories >= by.MaxMemories {
			return &store.StateError{Noun: store.NounMemoryStore, ID: storeID,
				Reason: fmt.Sprintf("holds %d memories already; delete some of them, or use another memory store.", in.Memories)}
		}
		if err := s.checkPath(ctx, account, storeID, spec.Path); err != nil {
			return err
		}
		now := cut(s.now())
		m = store.Memory{ID: s.newID("mem"), StoreID: storeID, CreatedAt: now}
		s.advance(&m, spec)
		if err := s.add(ctx, `INSERT INTO memories
				(account_id, id, store_id, path, version, version_id, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			account, m.ID, storeID, m.Path, m.Version, m.VersionID, toMicros(now), toMicros(m.UpdatedAt)); err != nil {
			return err
		}
		return s.recordChange(ctx, account, in, m, store.MemoryCreated, store.Memory{}, by)
	})
	return orZero(m, err)
}

// advance makes a memory what the spec says, in its next version.
func (s *Store) advance(m *store.Memory, spec store.MemorySpec) {
	hash := sha256.Sum256([]byte(spec.Content))
	m.MemorySpec = spec
	m.Metadata = orEmpty(spec.Metadata)
	m.Size, m.SHA256 = int64(len(spec.Content)), hex.EncodeToString(hash[:])
	m.Version, m.VersionID, m.UpdatedAt = m.Version+1, s.newID("memver"), cut(s.now())
}

// checkPath returns an error when a memory of the store has a path.
func (s *Store) checkPath(ctx context.Context, account, storeID, path string) error {
	f := memoriesOf(account, storeID, store.MemoryFilter{})
	f.and("r.path = " + f.bind(path))
	id, err := one(ctx, s, scanID, `SELECT r.id FROM memories r`+f.where(), f.args...)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return &store.MemoryExistsError{Path: path, ID: id}
}

// GetMemory implements store.Memories.
func (s *Store) GetMemory(ctx context.Context, account, storeID, id string) (store.Memory, error) {
	f := keyFilter(account, id)
	f.andNotIndexed("r.store_id = " + f.bind(storeID))
	f.andNotIndexed("r.deleted_at IS NULL")
	return s.oneMemory(ctx, f, storeID, id)
}

// FindMemory implements store.Memories.
func (s *Store) FindMemory(ctx context.Context, account, storeID, path string) (store.Memory, error) {
	f := memoriesOf(account, storeID, store.MemoryFilter{})
	f.and("r.path = " + f.bind(path))
	return s.oneMemory(ctx, f, storeID, path)
}

// oneMemory returns the memory that a filter matches. name is for the error.
func (s *Store) oneMemory(ctx context.Context, f *filter, storeID, name string) (store.Memory, error) {
	m, err := one(ctx, s, scanMemory, memoryRows(true).selection+f.where(), f.args...)
	if errors.Is(err, store.ErrNotFound) {
		if storeErr := s.checkMemoryStore(ctx, f.account, storeID); storeErr != nil {
			return store.Memory{}, storeErr
		}
	}
	return m, missing(err, store.MissingError{Noun: store.NounMemory, ID: name})
}

// ListMemories looks for the memory store last, so that a page of one that is being erased has no gaps.
func (s *Store) ListMemories(ctx context.Context, account, storeID string, only store.MemoryFilter, page store.Page) (store.List[store.Memory], error) {
	return listWithin(ctx, s, memoryRows(only.Content), memoriesOf(account, storeID, only), storeID, page)
}

// listWithin returns a page, ordered by age, of what a memory store has.
func listWithin[T any](ctx context.Context, s *Store, r rows[T], f *filter, storeID string, page store.Page) (store.List[T], error) {
	none := store.List[T]{Items: []T{}}
	cursor, err := placeWithin(ctx, s, r.table, f.account, storeID, page.Cursor)
	if err != nil {
		return none, errors.Join(s.checkMemoryStore(ctx, f.account, storeID), err)
	}
	items, err := listFrom(ctx, s, r, f, byAge, cursor, page)
	if storeErr := s.checkMemoryStore(ctx, f.account, storeID); storeErr != nil {
		return none, storeErr
	}
	return items, err
}

// placeWithin is placeOf for the rows of a memory store.
func placeWithin(ctx context.Context, s *Store, table, account, storeID, id string) (*place, error) {
	if id == "" {
		return nil, nil
	}
	created, err := one(ctx, s, scanCount, `SELECT created_at FROM `+table+` WHERE account_id = $1 AND id = $2 AND (store_id = $3) IS TRUE`,
		account, id, storeID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.ErrUnknownCursor
	}
	return &place{created, id}, err
}

// ListMemoryTree reads the paths of all memories that match: databases do not agree on the order of texts, and a store has
// a bounded number of memories.
func (s *Store) ListMemoryTree(ctx context.Context, account, storeID string, only store.MemoryFilter, page store.Page) (store.List[store.MemoryEntry], error) {
	none := store.List[store.MemoryEntry]{Items: []store.MemoryEntry{}}
	f := memoriesOf(account, storeID, only)
	paths, err := all(ctx, s, scanPath, `SELECT r.id, r.path FROM memories r`+f.where(), f.args...)
	if err != nil {
		return none, err
	}
	at, err := s.pathAt(ctx, account, storeID, page.Cursor)
	if err := errors.Join(s.checkMemoryStore(ctx, account, storeID), err); err != nil {
		return none, err
	}
	entries, hasMore := pageOfTree(branches(paths, only.Prefix), branch(at, only.Prefix), page)
	wanted := f.bind(cursorsOf(entries)...)
	if len(entries) == 0 {
		return none, nil
	}
	f.and("r.id IN (" + wanted + ")")
	found, err := all(ctx, s, scanMemory, memoryRows(only.Content).selection+f.where(), f.args...)
	if err != nil {
		return none, err
	}
	return treeList(entries, found, hasMore, page)
}

// memoryPath is where a memory is.
type memoryPath struct{ id, path string }

func scanPath(row engine.Scanner) (p memoryPath, err error) {
	err = row.Scan(&p.id, &p.path)
	return p, err
}

// pathAt returns the path of the memory with that id, also when it was deleted, and "" for "".
func (s *Store) pathAt(ctx context.Context, account, storeID, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	path, err := one(ctx, s, scanID, `SELECT path FROM memories WHERE account_id = $1 AND id = $2 AND (store_id = $3) IS TRUE`, account, id, storeID)
	if errors.Is(err, store.ErrNotFound) {
		return "", store.ErrUnknownCursor
	}
	return path, err
}

// branch returns the part of a path that a tree's list shows: up to the first slash after the prefix, or all of it.
func branch(path, prefix string) string {
	rest := strings.TrimPrefix(path, prefix)
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return path[:len(path)-len(rest)+i+1]
	}
	return path
}

// branches returns each branch of the paths once, sorted, with the id of a memory that it has.
func branches(paths []memoryPath, prefix string) []memoryPath {
	list := make([]memoryPath, len(paths))
	for i, p := range paths {
		list[i] = memoryPath{p.id, branch(p.path, prefix)}
	}
	slices.SortFunc(list, func(a, b memoryPath) int {
		if by := strings.Compare(a.path, b.path); by != 0 {
			return by
		}
		return strings.Compare(a.id, b.id)
	})
	return slices.CompactFunc(list, func(a, b memoryPath) bool { return a.path == b.path })
}

// pageOfTree returns the branches of the page next to a branch, "" for none, and whether more follow.
func pageOfTree(list []memoryPath, at string, page store.Page) ([]memoryPath, bool) {
	if page.Backward {
		end, _ := slices.BinarySearchFunc(list, at, func(p memoryPath, at string) int { return strings.Compare(p.path, at) })
		start := max(0, end-page.Limit)
		return list[start:end], start > 0
	}
	start, found := slices.BinarySearchFunc(list, at, func(p memoryPath, at string) int { return strings.Compare(p.path, at) })
	if found {
		start++
	}
	end := min(len(list), start+page.Limit)
	return list[start:end], end < len(list)
}

func cursorsOf(entries []memoryPath) []any {
	ids := make([]any, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	return ids
}

// treeList makes the page of a tree's list from its branches and their memories.
func treeList(entries []memoryPath, found []store.Memory, hasMore bool, page store.Page) (store.List[store.MemoryEntry], error) {
	list := store.List[store.MemoryEntry]{Items: []store.MemoryEntry{}, HasMore: hasMore}
	byID := map[string]*store.Memory{}
	for i := range found {
		byID[found[i].ID] = &found[i]
	}
	taken := tally{page: page}
	for _, e := range entries {
		entry, size := store.MemoryEntry{Prefix: e.path, Cursor: e.id}, textSize(e.path)
		if !strings.HasSuffix(e.path, "/") {
			m := byID[e.id]
			if m == nil || m.Path != e.path { // changed since the paths were read
				continue
			}
			entry.Memory, entry.Prefix, size = m, "", memorySize(m)
		}
		err := taken.add(size)
		if errors.Is(err, errFull) {
			list.HasMore = true
			break
		}
		if err != nil {
			return store.List[store.MemoryEntry]{Items: []store.MemoryEntry{}}, err
		}
		list.Items = append(list.Items, entry)
	}
	return list, nil
}

// UpdateMemory implements store.Memories.
func (s *Store) UpdateMemory(ctx context.Context, account, storeID, id string, by store.MemoryWriter, change func(store.Memory, *store.MemorySpec) error) (m store.Memory, err error) {
	_, err = s.changedMemoryStore(ctx, account, storeID, func(ctx context.Context, in *store.MemoryStore) error {
		old, err := s.GetMemory(ctx, account, storeID, id)
		if err != nil {
			return err
		}
		m = old
		spec := old.MemorySpec
		spec.Metadata = maps.Clone(old.Metadata)
		if err := change(old, &spec); err != nil {
			return err
		}
		if spec.Path == old.Path && spec.Content == old.Content && maps.Equal(spec.Metadata, old.Metadata) {
			return nil
		}
		if spec.Path != old.Path {
			if err := s.checkPath(ctx, account, storeID, spec.Path); err != nil {
				return err
			}
		}
		s.advance(&m, spec)
		if _, err := s.exec(ctx, `UPDATE memories SET path = $1, version = $2, version_id = $3, updated_at = $4
			WHERE account_id = $5 AND id = $6`, m.Path, m.Version, m.VersionID, toMicros(m.UpdatedAt), account, id); err != nil {
			return err
		}
		return s.recordChange(ctx, account, in, m, store.MemoryUpdated, old, by)
	})
	return orZero(m, err)
}

// DeleteMemory is not subject to the bound on the account's bytes: it must work for an account that has reached it.
func (s *Store) DeleteMemory(ctx context.Context, account, storeID, id string, by store.MemoryWriter, allow func(store.Memory) error) error {
	by.MaxBytes = unbounded
	_, err := s.changedMemoryStore(ctx, account, storeID, func(ctx context.Context, in *store.MemoryStore) error {
		old, err := s.GetMemory(ctx, account, storeID, id)
		if err != nil {
			return err
		}
		if err := allow(old); err != nil {
			return err
		}
		m := old
		s.advance(&m, store.MemorySpec{Path: old.Path, Metadata: old.Metadata})
		m.SHA256 = ""
		if _, err := s.exec(ctx, `UPDATE memories SET version = $1, version_id = $2, deleted_at = $3
			WHERE account_id = $4 AND id = $5`, m.Version, m.VersionID, toMicros(m.UpdatedAt), account, id); err != nil {
			return err
		}
		return s.recordChange(ctx, account, in, m, store.MemoryDeleted, old, by)
	})
	return err
}
