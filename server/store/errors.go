package store

import (
	"errors"
	"fmt"
)

// Errors that the store's methods return, to be matched with errors.Is. Any other error is a failure of the database.
var (
	ErrNotFound      = errors.New("not found")
	ErrArchived      = errors.New("archived")
	ErrExists        = errors.New("exists already")
	ErrConflict      = errors.New("conflict")
	ErrFull          = errors.New("full")
	ErrUnknownCursor = errors.New("unknown cursor")
	// ErrUnavailable means that the database is temporarily unreachable or too busy, or that the store was closed. A write
	// that fails with it took no effect, unless it failed during the commit: then its outcome is unknown.
	ErrUnavailable error = &failure{"the database is not available", unavailable}
)

// Noun is a kind of resource, as error messages name it.
type Noun string

// The kinds of resources.
const (
	NounAgent       Noun = "Agent"
	NounEnvironment Noun = "Environment"
	NounVault       Noun = "Vault"
	NounCredential  Noun = "Credential"
	NounSession     Noun = "Session"
	NounFile        Noun = "File"
	NounResource    Noun = "Resource"
	NounToken       Noun = "Token"
	NounWork        Noun = "Work item"
	NounKey         Noun = "Key"

	NounMemoryStore   Noun = "MemoryStore"
	NounMemory        Noun = "Memory"
	NounMemoryVersion Noun = "MemoryVersion"
)

// MissingError is ErrNotFound with the resource that is missing. Its text is fit for callers.
type MissingError struct {
	Noun    Noun
	ID      string
	Version int32 // the version asked for, when the version is what is missing; otherwise 0
}

func (e *MissingError) Error() string {
	if e.Version != 0 {
		return fmt.Sprintf("%s '%s' version %d was not found.", e.Noun, e.ID, e.Version)
	}
	return fmt.Sprintf("%s '%s' was not found.", e.Noun, e.ID)
}

// Is reports whether target is ErrNotFound.
func (e *MissingError) Is(target error) bool { return target == ErrNotFound }

// ArchivedError is ErrArchived with the resource that is archived. Its text is fit for callers.
type ArchivedError struct {
	Noun Noun
	ID   string
}

func (e *ArchivedError) Error() string {
	return fmt.Sprintf("%s '%s' is archived and cannot be used for new sessions.", e.Noun, e.ID)
}

// Is reports whether target is ErrArchived.
func (e *ArchivedError) Is(target error) bool { return target == ErrArchived }

// VersionError is ErrConflict for an update that is not based on the latest version. Its text is fit for callers.
type VersionError struct {
	// Latest is the agent's version, Got the version that the update is based on.
	Latest, Got int32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("Version conflict. Expected version %d, got %d.", e.Latest, e.Got)
}

// Is reports whether target is ErrConflict.
func (e *VersionError) Is(target error) bool { return target == ErrConflict }

// StateError is ErrConflict for what a resource's state does not allow. Its text is fit for callers.
type StateError struct {
	Noun Noun
	ID   string
	// Reason ends the sentence that starts with the noun and the id: "is archived already."
	Reason string
	// Invalid is whether callers see an invalid_request_error instead of a conflict_error; the status is the same.
	Invalid bool
}

func (e *StateError) Error() string { return fmt.Sprintf("%s '%s' %s", e.Noun, e.ID, e.Reason) }

// Is reports whether target is ErrConflict.
func (e *StateError) Is(target error) bool { return target == ErrConflict }

// QuotaError is a file that an account has no room for. Its text is fit for callers.
type QuotaError struct {
	// Used is how many bytes the account's files have, Most how many they may have.
	Used, Most int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("The account's files have %d of the %d bytes that they may have; delete some, or upload a smaller one.", e.Used, e.Most)
}

// FullError is ErrFull with the resource that can hold no more. Its text is fit for callers.
type FullError struct {
	Noun Noun
	ID   string
	// Most is how many things the resource can hold, Things what they are: "credentials".
	Most   int
	Things string
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%s '%s' has %d %s, which is the maximum; delete one of them first.", e.Noun, e.ID, e.Most, e.Things)
}

// Is reports whether target is ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }
