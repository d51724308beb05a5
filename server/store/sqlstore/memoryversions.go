package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// memoryVersionRows reads versions, with their content or without.
func memoryVersionRows(content bool) rows[store.MemoryVersion] {
	return rows[store.MemoryVersion]{
		noun: store.NounMemoryVersion, table: "memory_versions", scan: scanMemoryVersion, size: memoryVersionSize,
		selection: `SELECT r.id, r.store_id, r.memory_id, r.operation, r.number, r.path, ` + contentColumn("r", content) + `,
				r.metadata, r.size, r.sha256, r.written_in, r.written_with, r.created_at, r.redacted_at, r.redacted_by
			FROM memory_versions r`,
	}
}

func scanMemoryVersion(row engine.Scanner) (v store.MemoryVersion, err error) {
	err = row.Scan(&v.ID, &v.StoreID, &v.MemoryID, (*string)(&v.Operation), &v.Number, &v.Path, &v.Content,
		fromJSON{&v.Metadata}, &v.Size, &v.SHA256, &v.SessionID, &v.TokenID, timeTo{&v.CreatedAt}, timeOrNilTo{&v.RedactedAt}, &v.RedactedBy)
	return v, err
}

// versionsIn returns a filter that matches versions of the memories of a store.
func versionsIn(account, storeID string, only store.MemoryVersionFilter) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.store_id = " + f.bind(storeID))
	for _, c := range []struct{ column, value string }{
		{"r.memory_id", only.MemoryID}, {"r.operation", string(only.Operation)},
		{"r.written_in", only.SessionID}, {"r.written_with", only.TokenID},
	} {
		if c.value != "" {
			f.and(c.column + " = " + f.bind(c.value))
		}
	}
	f.within(nil, only.CreatedFrom, nil, only.CreatedTo)
	return f
}

// GetMemoryVersion implements store.Memories.
func (s *Store) GetMemoryVersion(ctx context.Context, account, storeID, id string) (store.MemoryVersion, error) {
	f := keyFilter(account, id)
	f.andNotIndexed("r.store_id = " + f.bind(storeID))
	v, err := one(ctx, s, scanMemoryVersion, memoryVersionRows(true).selection+f.where(), f.args...)
	if storeErr := s.checkMemoryStore(ctx, account, storeID); storeErr != nil {
		return store.MemoryVersion{}, storeErr
	}
	return v, missing(err, store.MissingError{Noun: store.NounMemoryVersion, ID: id})
}

// ListMemoryVersions implements store.Memories.
func (s *Store) ListMemoryVersions(ctx context.Context, account, storeID string, only store.MemoryVersionFilter, page store.Page) (store.List[store.MemoryVersion], error) {
	return listWithin(ctx, s, memoryVersionRows(only.Content), versionsIn(account, storeID, only), storeID, page)
}

// RedactMemoryVersion implements store.Memories.
func (s *Store) RedactMemoryVersion(ctx context.Context, account, storeID, id string, by store.MemoryWriter) (v store.MemoryVersion, err error) {
	refused := func(reason string) error {
		return &store.StateError{Noun: store.NounMemoryVersion, ID: id, Reason: reason, Invalid: true}
	}
	_, err = changed(ctx, s, memoryStoreRows(), account, storeID, func(ctx context.Context, _ *store.MemoryStore) error {
		if v, err = s.GetMemoryVersion(ctx, account, storeID, id); err != nil {
			return err
		}
		if v.RedactedAt != nil {
			return refused("is redacted already.")
		}
		head, err := s.GetMemory(ctx, account, storeID, v.MemoryID)
		switch {
		case err == nil && head.VersionID == id:
			return refused("is the current version of a memory; change or delete the memory first.")
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		}
		freed := int64(len(v.Content))
		v.Content, v.RedactedAt, v.RedactedBy = "", new(cut(s.now())), by.TokenID
		if _, err := s.exec(ctx, `UPDATE memory_versions
			SET content = '', redacted_at = $1, redacted_by = $2, occupied = occupied - $3
			WHERE account_id = $4 AND id = $5`, toMicrosOrNull(v.RedactedAt), v.RedactedBy, freed, account, id); err != nil {
			return err
		}
		return s.occupy(ctx, account, -freed)
	})
	return orZero(v, err)
}

// recordChange stores the version that records a memory's change from old, drops the version that is too many, and counts
// both: in the memory store, which it stores, and for the account.
func (s *Store) recordChange(ctx context.Context, account string, in *store.MemoryStore, m store.Memory, operation store.MemoryOperation, old store.Memory, by store.MemoryWriter) error {
	occupied := int64(versionOverhead + len(m.Path) + len(m.Content) + mapSize(m.Metadata))
	err := s.add(ctx, `INSERT INTO memory_versions (account_id, id, store_id, memory_id, operation, number, path, content, metadata,
			size, sha256, written_in, written_with, occupied, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		account, m.VersionID, in.ID, m.ID, string(operation), m.Version, m.Path, m.Content, toJSON(m.Metadata),
		m.Size, m.SHA256, by.SessionID, by.TokenID, occupied, toMicros(m.UpdatedAt))
	if err != nil {
		return err
	}
	dropped, err := s.dropVersions(ctx, account, m)
	if err != nil {
		return err
	}
	switch operation {
	case store.MemoryCreated:
		in.Memories++
	case store.MemoryDeleted:
		in.Memories--
	}
	in.Bytes += m.Size - old.Size
	if err := s.setMemoryStore(ctx, account, *in); err != nil {
		return err
	}
	if err := s.occupy(ctx, account, occupied-dropped); err != nil {
		return err
	}
	return s.checkOccupied(ctx, account, in.ID, by.MaxBytes)
}

// versionOverhead is what a version occupies beyond its texts, indexes and the memory's own row included, in bytes.
const versionOverhead = 512

const oldVersions = ` FROM memory_versions WHERE account_id = $1 AND memory_id = $2 AND number <= $3`

// dropVersions removes the versions of a memory that are too many, and returns how many bytes they occupied.
func (s *Store) dropVersions(ctx context.Context, account string, m store.Memory) (int64, error) {
	upTo := m.Version - store.MaxMemoryVersions
	if upTo < 1 {
		return 0, nil
	}
	occupied, err := one(ctx, s, scanCount, `SELECT CAST(COALESCE(SUM(occupied), 0) AS BIGINT)`+oldVersions, account, m.ID, upTo)
	if err != nil {
		return 0, err
	}
	_, err = s.exec(ctx, `DELETE`+oldVersions, account, m.ID, upTo)
	return occupied, err
}

// unbounded is a bound that nothing reaches.
const unbounded = math.MaxInt64

// occupy adds to the bytes that the memories of an account occupy. Other writers of the account wait for the end of the
// transaction, so it is the last row that one locks.
func (s *Store) occupy(ctx context.Context, account string, bytes int64) error {
	if bytes <= 0 { // what is freed was counted before
		_, err := s.exec(ctx, `UPDATE memory_bytes SET bytes = bytes + $1 WHERE account_id = $2`, bytes, account)
		return err
	}
	_, err := s.exec(ctx, `INSERT INTO memory_bytes (account_id, bytes) VALUES ($1, $2)
		ON CONFLICT (account_id) DO UPDATE SET bytes = memory_bytes.bytes + excluded.bytes`, account, bytes)
	return err
}

// checkOccupied returns an error when the memories of an account occupy more than most bytes.
func (s *Store) checkOccupied(ctx context.Context, account, storeID string, most int64) error {
	if most == unbounded {
		return nil
	}
	occupied, err := one(ctx, s, scanCount, `SELECT bytes FROM memory_bytes WHERE account_id = $1`, account)
	if err != nil || occupied <= most {
		return err
	}
	return &store.StateError{Noun: store.NounMemoryStore, ID: storeID, Reason: fmt.Sprintf(
		"cannot grow: the memories of the account and their versions would occupy more than %d bytes; delete a memory store, or redact old versions.", most)}
}
