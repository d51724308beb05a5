package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// MemoryStores keeps memory stores, their memories, and the versions that record each change of a memory.
type MemoryStores interface {
	// CreateMemoryStore stores an empty memory store, with equal CreatedAt and UpdatedAt.
	CreateMemoryStore(ctx context.Context, account string, spec MemoryStoreSpec) (MemoryStore, error)

	// GetMemoryStore returns a memory store, archived ones included, or ErrNotFound.
	GetMemoryStore(ctx context.Context, account, id string) (MemoryStore, error)

	// ListMemoryStores returns one page of the memory stores that match the filter.
	ListMemoryStores(ctx context.Context, account string, filter MemoryStoreFilter, page Page) (List[MemoryStore], error)

	// UpdateMemoryStore stores what change makes of a memory store's spec; UpdatedAt is now. change runs within the
	// transaction and with the memory store locked. ErrNotFound when the memory store does not exist, a StateError
	// (ErrConflict) when it is archived.
	UpdateMemoryStore(ctx context.Context, account, id string, change func(*MemoryStoreSpec) error) (MemoryStore, error)

	// ArchiveMemoryStore archives a memory store and returns it; UpdatedAt is now. An archived one is returned unchanged.
	// ErrNotFound when the memory store does not exist.
	ArchiveMemoryStore(ctx context.Context, account, id string) (MemoryStore, error)

	// DeleteMemoryStore deletes a memory store with its memories and their versions, also while sessions refer to it, and
	// erases the recorded responses that show them; many are left to SweepMemories. ErrNotFound when it does not exist.
	DeleteMemoryStore(ctx context.Context, account, id string) error

	// SeedMemoryStore stores an empty memory store exactly as given and reports whether it did: nothing happens when the
	// account has that id already.
	SeedMemoryStore(ctx context.Context, account string, m MemoryStore) (bool, error)

	Memories

	// SweepMemories erases at most limit memories and as many versions that DeleteMemoryStore has left, and returns how many
	// it erased: fewer than limit when none are left. It works in small steps, so that writers never wait for long.
	SweepMemories(ctx context.Context, limit int) (int, error)
}

// Memories keeps the memories of memory stores. Each method returns ErrNotFound when the memory store does not exist; in
// an archived one nothing but RedactMemoryVersion changes anything: the others return a StateError (ErrConflict).
// Writes to one memory store happen one after the other.
type Memories interface {
	// CreateMemory stores a memory at version 1. A MemoryExistsError (ErrConflict) when its path is in use, a StateError
	// (ErrConflict) beyond a bound of the writer.
	CreateMemory(ctx context.Context, account, storeID string, spec MemorySpec, by MemoryWriter) (Memory, error)

	// GetMemory returns a memory with its content, or ErrNotFound.
	GetMemory(ctx context.Context, account, storeID, id string) (Memory, error)

	// FindMemory returns the memory at a path, with its content. ErrNotFound when there is none.
	FindMemory(ctx context.Context, account, storeID, path string) (Memory, error)

	// ListMemories returns one page of the memories that match the filter; Page.IncludeArchived is ignored.
	ListMemories(ctx context.Context, account, storeID string, filter MemoryFilter, page Page) (List[Memory], error)

	// ListMemoryTree returns one page of what is directly below the filter's prefix, ordered by the bytes of its path: the
	// memories whose paths have no slash after the prefix, and the beginnings, up to the next slash, of the others.
	// Page.Cursor is a MemoryEntry's Cursor; Page.Ascending and Page.IncludeArchived are ignored.
	ListMemoryTree(ctx context.Context, account, storeID string, filter MemoryFilter, page Page) (List[MemoryEntry], error)

	// UpdateMemory stores what change makes of a memory's spec as its next version, unless change leaves it equal; UpdatedAt
	// is then now. change runs within the transaction and with the memory store locked. ErrNotFound when the memory does not
	// exist, a MemoryExistsError (ErrConflict) when another memory has the new path, a StateError (ErrConflict) beyond a
	// bound of the writer. Of a memory's versions the newest MaxMemoryVersions are kept.
	UpdateMemory(ctx context.Context, account, storeID, id string, by MemoryWriter, change func(current Memory, spec *MemorySpec) error) (Memory, error)

	// DeleteMemory deletes a memory when allow, called with the memory store locked, returns nil. Its versions stay, with one
	// more that records the deletion. ErrNotFound when the memory does not exist.
	DeleteMemory(ctx context.Context, account, storeID, id string, by MemoryWriter, allow func(Memory) error) error

	// GetMemoryVersion returns a version, with its content unless it was redacted, or ErrNotFound.
	GetMemoryVersion(ctx context.Context, account, storeID, id string) (MemoryVersion, error)

	// ListMemoryVersions returns one page of the versions that match the filter, those of deleted memories included;
	// Page.IncludeArchived is ignored.
	ListMemoryVersions(ctx context.Context, account, storeID string, filter MemoryVersionFilter, page Page) (List[MemoryVersion], error)

	// RedactMemoryVersion erases a version's content and returns what is left of it. ErrNotFound when the version does not
	// exist, a StateError (ErrConflict) when it was redacted before or is a memory's current one.
	RedactMemoryVersion(ctx context.Context, account, storeID, id string, by MemoryWriter) (MemoryVersion, error)
}

// MaxMemoryVersions is how many versions of a memory are kept.
const MaxMemoryVersions = 100

// MemoryStoreSpec is the part of a memory store that callers set.
type MemoryStoreSpec struct {
	Name, Description string
	Metadata          map[string]string
}

// MemoryStore is a memory store.
type MemoryStore struct {
	MemoryStoreSpec
	ID string
	// Memories counts the memories, Bytes their content without earlier versions.
	Memories, Bytes      int64
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// MemoryStoreFilter selects the memory stores to list; the zero value selects all. Both times are included.
type MemoryStoreFilter struct{ CreatedFrom, CreatedTo *time.Time }

// MemorySpec is the part of a memory that writers set.
type MemorySpec struct {
	// Path is relative and canonical; no other memory of the store has it.
	Path, Content string
	Metadata      map[string]string
}

// Memory is a memory in its current version.
type Memory struct {
	MemorySpec // Content is "" where it was not asked for
	ID         string
	StoreID    string
	// Size is the content's length in bytes, SHA256 its hash in lower-case hexadecimal digits.
	Size   int64
	SHA256 string
	// Version counts the changes, the creation included; VersionID is that of the current version.
	Version              int32
	VersionID            string
	CreatedAt, UpdatedAt time.Time
}

// MemoryEntry is a memory, or a beginning of the paths of memories.
type MemoryEntry struct {
	// Memory is nil for a beginning.
	Memory *Memory
	// Prefix is the beginning, with a slash at its end; "" for a memory.
	Prefix string
	// Cursor is the id of a memory that the entry is or stands for.
	Cursor string
}

// MemoryFilter selects the memories to list; the zero value selects all.
type MemoryFilter struct {
	// Prefix selects the memories whose path begins with it.
	Prefix string
	// Content is whether to read the content as well.
	Content bool
}

// MemoryWriter is who writes, and what bounds the write.
type MemoryWriter struct {
	// SessionID is the session whose agent writes, TokenID the token of the request; the other one is "".
	SessionID, TokenID string
	// MaxMemories bounds the memories of the store.
	MaxMemories int64
	// MaxBytes bounds what the account's memories occupy with their versions, in bytes.
	MaxBytes int64
}

// MemoryOperation is a kind of change.
type MemoryOperation string

// The kinds of changes.
const (
	MemoryCreated MemoryOperation = "created"
	MemoryUpdated MemoryOperation = "updated"
	MemoryDeleted MemoryOperation = "deleted"
)

// MemoryVersion records one change of a memory.
type MemoryVersion struct {
	// MemorySpec is what the change made of the memory. Content is "" where it was not asked for, after a deletion and after
	// redaction; Size and SHA256 stay. A deletion has Size 0 and SHA256 "".
	MemorySpec
	ID, StoreID, MemoryID string
	Operation             MemoryOperation
	// Number counts the memory's changes up to this one.
	Number int32
	Size   int64
	SHA256 string
	// SessionID or TokenID is who made the change.
	SessionID, TokenID string
	CreatedAt          time.Time
	// RedactedAt is nil, and RedactedBy, a token's id, "", unless the content was erased.
	RedactedAt *time.Time
	RedactedBy string
}

// MemoryVersionFilter selects the versions to list; the zero value selects all.
type MemoryVersionFilter struct {
	MemoryID           string
	Operation          MemoryOperation
	SessionID, TokenID string
	// Both times are included.
	CreatedFrom, CreatedTo *time.Time
	// Content is whether to read the content as well.
	Content bool
}

// MemoryExistsError is ErrConflict for a path that a memory has already. Its text is fit for callers.
type MemoryExistsError struct{ Path, ID string }

func (e *MemoryExistsError) Error() string {
	return fmt.Sprintf("A memory with the path '%s' exists already: '%s'. Update that one, or choose another path.", e.Path, e.ID)
}

// Is reports whether target is ErrConflict.
func (e *MemoryExistsError) Is(target error) bool { return target == ErrConflict }

// MemoryStoreUse is a memory store that a caller gives a new session.
type MemoryStoreUse struct {
	ID, Instructions string
	ReadOnly         bool
}

// MemoryMount is a memory store of a session. Name and Description are those that the store had when the session was
// created.
type MemoryMount struct {
	MemoryStoreUse
	Name, Description string
}

// MemoryFolder is the folder of a session's container in which its memory stores appear, and nothing else.
const MemoryFolder = "/mnt/memory"

// MemoryMountPath returns where a memory store appears in a session's container, given the paths that are taken: below
// MemoryFolder, by its name in lower case with a hyphen for each run of what is not a letter or digit of ASCII, or else by
// its id.
func MemoryMountPath(name, id string, taken map[string]bool) string {
	const most = 64
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	slug := strings.Join(words, "-")
	if path := MemoryFolder + "/" + slug; slug != "" && len(slug) <= most && !taken[path] {
		return path
	}
	return MemoryFolder + "/" + id
}
