package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func memoryStoreRows() rows[store.MemoryStore] {
	return rows[store.MemoryStore]{
		noun:  store.NounMemoryStore,
		table: "memory_stores",
		selection: `SELECT r.id, r.name, r.description, r.metadata, r.memories, r.bytes, r.created_at, r.updated_at, r.archived_at
			FROM memory_stores r`,
		scan: scanMemoryStore,
		size: memoryStoreSize,
	}
}

func scanMemoryStore(row engine.Scanner) (m store.MemoryStore, err error) {
	err = row.Scan(&m.ID, &m.Name, &m.Description, fromJSON{&m.Metadata}, &m.Memories, &m.Bytes,
		timeTo{&m.CreatedAt}, timeTo{&m.UpdatedAt}, timeOrNilTo{&m.ArchivedAt})
	return m, err
}

// CreateMemoryStore implements store.MemoryStores.
func (s *Store) CreateMemoryStore(ctx context.Context, account string, spec store.MemoryStoreSpec) (m store.MemoryStore, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		now := cut(s.now())
		m = store.MemoryStore{MemoryStoreSpec: spec, ID: s.newID("memstore"), CreatedAt: now, UpdatedAt: now}
		m.Metadata = orEmpty(m.Metadata)
		return s.addMemoryStore(ctx, account, m)
	})
	return orZero(m, err)
}

// GetMemoryStore implements store.MemoryStores.
func (s *Store) GetMemoryStore(ctx context.Context, account, id string) (store.MemoryStore, error) {
	return get(ctx, s, memoryStoreRows(), account, id)
}

// ListMemoryStores implements store.MemoryStores.
func (s *Store) ListMemoryStores(ctx context.Context, account string, only store.MemoryStoreFilter, page store.Page) (store.List[store.MemoryStore], error) {
	f := filterFor(account)
	f.within(nil, only.CreatedFrom, nil, only.CreatedTo)
	return list(ctx, s, memoryStoreRows(), f, page)
}

// UpdateMemoryStore implements store.MemoryStores.
func (s *Store) UpdateMemoryStore(ctx context.Context, account, id string, change func(*store.MemoryStoreSpec) error) (store.MemoryStore, error) {
	return s.changedMemoryStore(ctx, account, id, func(ctx context.Context, m *store.MemoryStore) error {
		if err := change(&m.MemoryStoreSpec); err != nil {
			return err
		}
		m.Metadata, m.UpdatedAt = orEmpty(m.Metadata), cut(s.now())
		return s.setMemoryStore(ctx, account, *m)
	})
}

// changedMemoryStore is changed for a memory store that must not be archived.
func (s *Store) changedMemoryStore(ctx context.Context, account, id string, change func(ctx context.Context, m *store.MemoryStore) error) (store.MemoryStore, error) {
	return changed(ctx, s, memoryStoreRows(), account, id, func(ctx context.Context, m *store.MemoryStore) error {
		if m.ArchivedAt != nil {
			return &store.StateError{Noun: store.NounMemoryStore, ID: id, Reason: "is archived and takes no changes.", Invalid: true}
		}
		return change(ctx, m)
	})
}

// ArchiveMemoryStore implements store.MemoryStores.
func (s *Store) ArchiveMemoryStore(ctx context.Context, account, id string) (store.MemoryStore, error) {
	return changed(ctx, s, memoryStoreRows(), account, id, func(ctx context.Context, m *store.MemoryStore) error {
		if m.ArchivedAt != nil {
			return nil
		}
		m.UpdatedAt = cut(s.now())
		m.ArchivedAt = new(m.UpdatedAt)
		return s.setMemoryStore(ctx, account, *m)
	})
}

// DeleteMemoryStore leaves to SweepMemories what is beyond one step.
func (s *Store) DeleteMemoryStore(ctx context.Context, account, id string) error {
	_, err := changed(ctx, s, memoryStoreRows(), account, id, func(ctx context.Context, _ *store.MemoryStore) error {
		_, err := s.exec(ctx, `UPDATE memory_stores
			SET deleted_at = $1, name = '', description = '', metadata = '{}', memories = 0, bytes = 0
			WHERE account_id = $2 AND id = $3`, toMicros(s.now()), account, id)
		if err != nil {
			return err
		}
		erased, err := s.eraseSomeMemories(ctx, account, id, sweepStep)
		if err != nil || erased < sweepStep {
			return err
		}
		return s.add(ctx, `INSERT INTO memory_erasures (account_id, store_id) VALUES ($1, $2)`, account, id)
	})
	return err
}

// SeedMemoryStore treats the id of a deleted memory store as one that the account has.
func (s *Store) SeedMemoryStore(ctx context.Context, account string, m store.MemoryStore) (bool, error) {
	return seeded(s.Atomically(ctx, func(ctx context.Context) error { return s.addMemoryStore(ctx, account, m) }))
}

// addMemoryStore stores an empty memory store, or returns store.ErrExists.
func (s *Store) addMemoryStore(ctx context.Context, account string, m store.MemoryStore) error {
	return s.add(ctx, `INSERT INTO memory_stores
			(account_id, id, name, description, metadata, created_at, updated_at, archived_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account_id, id) DO NOTHING`,
		account, m.ID, m.Name, m.Description, toJSON(orEmpty(m.Metadata)),
		toMicros(m.CreatedAt), toMicros(m.UpdatedAt), toMicrosOrNull(m.ArchivedAt))
}

// setMemoryStore stores what may change about a memory store.
func (s *Store) setMemoryStore(ctx context.Context, account string, m store.MemoryStore) error {
	_, err := s.exec(ctx, `UPDATE memory_stores
		SET name = $1, description = $2, metadata = $3, memories = $4, bytes = $5, updated_at = $6, archived_at = $7
		WHERE account_id = $8 AND id = $9`,
		m.Name, m.Description, toJSON(m.Metadata), m.Memories, m.Bytes, toMicros(m.UpdatedAt), toMicrosOrNull(m.ArchivedAt),
		account, m.ID)
	return err
}

// checkMemoryStore returns a store.MissingError when the memory store does not exist.
func (s *Store) checkMemoryStore(ctx context.Context, account, id string) error {
	_, err := one(ctx, s, scanID, `SELECT id FROM memory_stores WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL`, account, id)
	return missing(err, store.MissingError{Noun: store.NounMemoryStore, ID: id})
}

// mounts locks and reads the memory stores of a new session, and returns them as its resources, without ids.
func (s *Store) mounts(ctx context.Context, account string, uses []store.MemoryStoreUse) ([]store.Resource, error) {
	resources := make([]store.Resource, 0, len(uses))
	taken := map[string]bool{}
	for _, use := range uses {
		if err := s.lock(ctx, "memory_stores", account, use.ID, s.db.ForShare); err != nil {
			return nil, err
		}
		m, err := s.GetMemoryStore(ctx, account, use.ID)
		if err != nil {
			return nil, err
		}
		if m.ArchivedAt != nil {
			return nil, &store.ArchivedError{Noun: store.NounMemoryStore, ID: use.ID}
		}
		path := store.MemoryMountPath(m.Name, m.ID, taken)
		taken[path] = true
		resources = append(resources, store.Resource{
			MountPath: path, Memory: &store.MemoryMount{MemoryStoreUse: use, Name: m.Name, Description: m.Description},
		})
	}
	return resources, nil
}

// A step of erasing a deleted memory store: the oldest versions first, and as many memories.
const (
	someVersions = `SELECT id FROM memory_versions WHERE account_id = $1 AND store_id = $2 ORDER BY created_at, id LIMIT $3`

	occupiedBySome = `SELECT CAST(COALESCE(SUM(occupied), 0) AS BIGINT) FROM memory_versions
		WHERE account_id = $1 AND id IN (` + someVersions + `)`
	deleteSomeVersions = `DELETE FROM memory_versions WHERE account_id = $1 AND id IN (` + someVersions + `)`
	deleteSomeMemories = `DELETE FROM memories WHERE account_id = $1 AND id IN (
		SELECT id FROM memories WHERE account_id = $1 AND store_id = $2 LIMIT $3)`
)

// eraseSomeMemories erases at most limit of a deleted memory store's memories, and as many versions and recorded responses.
// It returns the greatest of the three counts.
func (s *Store) eraseSomeMemories(ctx context.Context, account, id string, limit int) (int, error) {
	occupied, err := one(ctx, s, scanCount, occupiedBySome, account, id, limit)
	if err != nil {
		return 0, err
	}
	versions, err := s.exec(ctx, deleteSomeVersions, account, id, limit)
	if err != nil {
		return 0, err
	}
	memories, err := s.exec(ctx, deleteSomeMemories, account, id, limit)
	if err != nil {
		return 0, err
	}
	responses, err := s.eraseResponses(ctx, account, id, limit)
	if err != nil {
		return 0, err
	}
	return max(versions, memories, responses), s.occupy(ctx, account, -occupied)
}

func scanCount(row engine.Scanner) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

// SweepMemories erases one memory store after the other.
func (s *Store) SweepMemories(ctx context.Context, limit int) (int, error) {
	return s.inSteps(ctx, limit, func(ctx context.Context, limit int) (removed int, more bool, err error) {
		removed, err = s.sweepMemoryStore(ctx, limit)
		return removed, true, err
	})
}

// sweepMemoryStore erases a part of one deleted memory store. It returns store.ErrNotFound when none are left that no
// other process is erasing.
func (s *Store) sweepMemoryStore(ctx context.Context, limit int) (int, error) {
	of, err := one(ctx, s, func(row engine.Scanner) (of store.SessionRef, err error) {
		return of, row.Scan(&of.Account, &of.ID)
	}, `SELECT account_id, store_id FROM memory_erasures LIMIT 1`+s.db.SkipLocked)
	if err != nil {
		return 0, err
	}
	erased, err := s.eraseSomeMemories(ctx, of.Account, of.ID, limit)
	if err != nil || erased == limit {
		return erased, err
	}
	_, err = s.exec(ctx, `DELETE FROM memory_erasures WHERE account_id = $1 AND store_id = $2`, of.Account, of.ID)
	return erased, err
}
