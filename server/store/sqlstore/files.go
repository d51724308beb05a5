package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func fileRows() rows[store.File] {
	return rows[store.File]{
		noun:  store.NounFile,
		table: "files",
		selection: `SELECT r.id, r.name, r.media_type, r.size, r.sha256, r.purpose, r.metadata, r.blob, r.created_at, r.updated_at,
			r.expires_at FROM files r`,
		scan: scanFile,
		size: fileSize,
	}
}

func scanFile(row engine.Scanner) (f store.File, err error) {
	err = row.Scan(&f.ID, &f.Name, &f.MediaType, &f.Size, &f.SHA256, &f.Purpose, fromJSON{&f.Metadata}, &f.Blob,
		timeTo{&f.CreatedAt}, timeTo{&f.UpdatedAt}, timeOrNilTo{&f.ExpiresAt})
	return f, err
}

// CreateFile implements store.Files.
func (s *Store) CreateFile(ctx context.Context, account string, spec store.FileSpec, most int64) (f store.File, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		if err := s.lockAccount(ctx, account); err != nil {
			return err
		}
		used, err := s.FileBytes(ctx, account)
		if err != nil {
			return err
		}
		if used+spec.Size > most {
			return &store.QuotaError{Used: used, Most: most}
		}
		now := cut(s.now())
		f = store.File{FileSpec: spec, ID: s.newID("file"), CreatedAt: now, UpdatedAt: now}
		f.Metadata, f.ExpiresAt = orEmpty(f.Metadata), cutOrNil(f.ExpiresAt)
		return s.add(ctx, `INSERT INTO files
				(account_id, id, name, media_type, size, sha256, purpose, metadata, blob, created_at, updated_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			account, f.ID, f.Name, f.MediaType, f.Size, f.SHA256, f.Purpose, toJSON(f.Metadata), f.Blob,
			toMicros(f.CreatedAt), toMicros(f.UpdatedAt), toMicrosOrNull(f.ExpiresAt))
	})
	return orZero(f, err)
}

// GetFile implements store.Files.
func (s *Store) GetFile(ctx context.Context, account, id string) (store.File, error) {
	return get(ctx, s, fileRows(), account, id)
}

// FileDeleted implements store.Files.
func (s *Store) FileDeleted(ctx context.Context, account, id string) (bool, error) {
	found, err := all(ctx, s, scanID, `SELECT id FROM files WHERE account_id = $1 AND id = $2 AND +deleted_at IS NOT NULL`, account, id)
	return len(found) > 0, err
}

const selectFileBytes = `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM files WHERE account_id = $1 AND deleted_at IS NULL`

// FileBytes implements store.Files. The sum is read from an index.
func (s *Store) FileBytes(ctx context.Context, account string) (int64, error) {
	scan := func(row engine.Scanner) (sum int64, err error) { return sum, row.Scan(&sum) }
	return one(ctx, s, scan, selectFileBytes, account)
}

// ListFiles implements store.Files.
func (s *Store) ListFiles(ctx context.Context, account string, filter store.FileFilter, page store.Page) (store.List[store.File], error) {
	page.IncludeArchived = true // files have no archive
	return list(ctx, s, fileRows(), filesFor(account, filter), page)
}

// filesFor returns a filter that matches the account's files that match the given filter.
func filesFor(account string, only store.FileFilter) *filter {
	f := filterFor(account)
	if only.Name != "" {
		f.and("r.name = " + f.bind(only.Name))
	}
	if only.Purpose != "" {
		f.and("r.purpose = " + f.bind(only.Purpose))
	}
	if len(only.IDs) > 0 {
		ids := make([]any, len(only.IDs))
		for i, id := range only.IDs {
			ids[i] = id
		}
		f.and("r.id IN (" + f.bind(ids...) + ")")
	}
	return f
}

// selectFileUses finds a session that is not archived and refers to a file. The cross join and the plus signs keep SQLite
// from walking along all sessions of the account.
const selectFileUses = `SELECT s.id FROM session_files f CROSS JOIN sessions s
	WHERE f.account_id = $1 AND f.file_id = $2 AND s.account_id = f.account_id AND s.id = f.session_id AND +s.deleted_at IS NULL AND +s.archived_at IS NULL LIMIT 1`

// DeleteFile implements store.Files.
func (s *Store) DeleteFile(ctx context.Context, account, id string) error {
	_, err := changed(ctx, s, fileRows(), account, id, func(ctx context.Context, _ *store.File) error {
		uses, err := all(ctx, s, scanID, selectFileUses, account, id)
		if err != nil {
			return err
		}
		if len(uses) > 0 {
			return &store.StateError{Noun: store.NounFile, ID: id, Reason: "is used by session '" + uses[0] + "'; remove it from there first."}
		}
		return s.hideFile(ctx, account, id)
	})
	return err
}

// hideFile deletes a file, except its blob, and erases the recorded responses that show it.
func (s *Store) hideFile(ctx context.Context, account, id string) error {
	if err := s.soon(ctx, `UPDATE files SET name = '', media_type = '', sha256 = '', metadata = '{}'
		WHERE account_id = $1 AND id = $2`, account, id); err != nil {
		return err
	}
	return s.hide(ctx, "files", account, id)
}

// fileRef names a file.
type fileRef struct{ account, id string }

const selectExpiredFiles = `SELECT account_id, id FROM files
	WHERE deleted_at IS NULL AND expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2`

// SweepFiles implements store.Files.
func (s *Store) SweepFiles(ctx context.Context, limit int) (int, error) {
	return s.inSteps(ctx, limit, func(ctx context.Context, limit int) (removed int, more bool, err error) {
		scan := func(row engine.Scanner) (f fileRef, err error) { return f, row.Scan(&f.account, &f.id) }
		expired, err := all(ctx, s, scan, selectExpiredFiles+s.db.SkipLocked, toMicros(s.now()), limit)
		for _, f := range expired {
			if err == nil {
				err = s.hideFile(ctx, f.account, f.id)
			}
		}
		return len(expired), len(expired) == limit, err
	})
}

const selectDeletedBlobs = `SELECT blob FROM files WHERE deleted_at IS NOT NULL AND blob <> '' ORDER BY deleted_at LIMIT $1`

// DeletedBlobs implements store.Files.
func (s *Store) DeletedBlobs(ctx context.Context, limit int) ([]string, error) {
	return all(ctx, s, scanID, selectDeletedBlobs, limit)
}

const forgetBlob = `UPDATE files SET blob = '' WHERE blob = $1 AND blob <> '' AND deleted_at IS NOT NULL`

// ForgetBlob implements store.Files.
func (s *Store) ForgetBlob(ctx context.Context, blob string) error {
	return s.Atomically(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, forgetBlob, blob)
		return err
	})
}

const selectBlob = `SELECT blob FROM files WHERE blob = $1 AND blob <> '' LIMIT 1`

// HasBlob implements store.Files.
func (s *Store) HasBlob(ctx context.Context, blob string) (bool, error) {
	found, err := all(ctx, s, scanID, selectBlob, blob)
	return len(found) > 0, err
}

// fileIDs returns the ids of the files that a session refers to.
func fileIDs(resources []store.Resource) map[string]bool {
	ids := make(map[string]bool, len(resources))
	for _, r := range resources {
		if r.Memory == nil {
			ids[r.FileID] = true
		}
	}
	return ids
}

// refer records which files a session refers to, in place of those that it referred to before. It returns a
// store.MissingError for a new one that does not exist; until the transaction's end none of them is deleted.
func (s *Store) refer(ctx context.Context, account, session string, before map[string]bool, resources []store.Resource) error {
	after := fileIDs(resources)
	for _, r := range resources { // in the order of the request, so that the error names the first
		if before[r.FileID] || !after[r.FileID] {
			continue
		}
		delete(after, r.FileID)
		if err := s.lock(ctx, "files", account, r.FileID, s.db.ForShare); err != nil {
			return err
		}
		if _, err := s.GetFile(ctx, account, r.FileID); err != nil {
			return err
		}
		if err := s.soon(ctx, `INSERT INTO session_files (account_id, session_id, file_id) VALUES ($1, $2, $3)
			ON CONFLICT (account_id, session_id, file_id) DO NOTHING`, account, session, r.FileID); err != nil {
			return err
		}
	}
	still := fileIDs(resources)
	for id := range before {
		if still[id] {
			continue
		}
		if err := s.soon(ctx, `DELETE FROM session_files WHERE account_id = $1 AND session_id = $2 AND file_id = $3`, account, session, id); err != nil {
			return err
		}
	}
	return nil
}
