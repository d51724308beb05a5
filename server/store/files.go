package store

import (
	"context"
	"time"
)

// Files keeps what is known of files. Their contents are blobs, which package blob stores under the keys that the files
// have: a blob is stored before its file is created, and deleted after its file was deleted.
type Files interface {
	// CreateFile stores a file, with equal CreatedAt and UpdatedAt. A QuotaError when the account's files would then have
	// more than most bytes together. Within a transaction, others that create files of the account wait for its end.
	CreateFile(ctx context.Context, account string, spec FileSpec, most int64) (File, error)

	// GetFile returns a file, or ErrNotFound.
	GetFile(ctx context.Context, account, id string) (File, error)

	// FileDeleted reports whether the account has had a file with that id that was deleted.
	FileDeleted(ctx context.Context, account, id string) (bool, error)

	// FileBytes returns how many bytes the contents of the account's files have together.
	FileBytes(ctx context.Context, account string) (int64, error)

	// ListFiles returns one page of the files that match the filter. Page.IncludeArchived is ignored.
	ListFiles(ctx context.Context, account string, filter FileFilter, page Page) (List[File], error)

	// DeleteFile deletes a file. ErrNotFound when the file does not exist, a StateError (ErrConflict) when a session that is
	// not archived refers to it. DeletedBlobs has its blob afterwards.
	DeleteFile(ctx context.Context, account, id string) error

	// SweepFiles deletes at most limit files that have expired, used ones included, and returns how many it deleted: fewer
	// than limit when none are left. It works in small steps, so that writers never wait for long.
	SweepFiles(ctx context.Context, limit int) (int, error)

	// DeletedBlobs returns at most limit keys of the blobs of deleted files, of all accounts, oldest first.
	DeletedBlobs(ctx context.Context, limit int) ([]string, error)

	// ForgetBlob removes the key of a blob from the deleted file that has it, if there is one: DeletedBlobs has it no longer.
	ForgetBlob(ctx context.Context, blob string) error

	// HasBlob reports whether a file, of any account, has that key: ForgetBlob makes deleted ones lose it.
	HasBlob(ctx context.Context, blob string) (bool, error)
}

// FileSpec is what is known of a file when it is created.
type FileSpec struct {
	// Name is the file's name, without a folder; MediaType is the media type of its content.
	Name, MediaType string
	// Size is the number of bytes of the content, SHA256 their hash in hexadecimal digits, Blob the key of the blob.
	Size         int64
	SHA256, Blob string
	Purpose      string
	Metadata     map[string]string
	// ExpiresAt is when SweepFiles deletes the file; nil for never.
	ExpiresAt *time.Time
}

// File is a file. It never changes.
type File struct {
	FileSpec
	ID                   string
	CreatedAt, UpdatedAt time.Time
}

// FileFilter selects the files to list; the zero value selects all.
type FileFilter struct {
	// Name and Purpose select the files that have them; "" for all.
	Name, Purpose string
	// IDs selects the files with these ids; empty for all.
	IDs []string
}
