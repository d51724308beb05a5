// Package memory is what the operations and the tools of memory stores share: which paths and texts a memory may have, and
// what bounds a write. It reads every bound from the contract.
package memory

import (
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/store"
)

// Rules validate memories. Their methods are safe for concurrent use.
type Rules struct {
	contract                *contract.Contract
	pathBytes, contentBytes int
	writer                  store.MemoryWriter
}

// New returns the rules of a contract. maxBytes bounds what the memories of an account occupy with their versions.
func New(c *contract.Contract, maxBytes int64) *Rules {
	return &Rules{
		contract:     c,
		pathBytes:    c.Schema("MemoryPath").MaxLength(),
		contentBytes: c.Schema("MemoryContent").MaxLength(),
		writer:       store.MemoryWriter{MaxMemories: c.Schema("MemoryStore").At("entry_count").Maximum(), MaxBytes: maxBytes},
	}
}

// Token returns the writer for a request with a token.
func (r *Rules) Token(id string) store.MemoryWriter {
	by := r.writer
	by.TokenID = id
	return by
}

// Session returns the writer for the agent of a session.
func (r *Rules) Session(id string) store.MemoryWriter {
	by := r.writer
	by.SessionID = id
	return by
}

// Path returns the canonical form of a path, which has no leading slash, or a *contract.RequestError with the param "path".
func (r *Rules) Path(path string) (string, error) {
	invalid := func(format string, args ...any) (string, error) {
		return "", &contract.RequestError{Param: "path", Message: "Field 'path' " + fmt.Sprintf(format, args...)}
	}
	path = strings.TrimPrefix(path, "/")
	switch {
	case path == "":
		return invalid("must name a memory, such as notes/today.md.")
	case len(path) > r.pathBytes:
		return invalid("must be at most %d bytes of UTF-8.", r.pathBytes)
	case text.HasInvisible(path):
		return invalid("must not contain control or format characters.")
	case !r.contract.Accepts("MemoryPath", path):
		return invalid("must not contain control characters or backslashes.")
	case !norm.NFC.IsNormalString(path):
		return invalid("must be in Unicode normalization form C.")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return invalid("must not have an empty segment, '.' or '..'.")
		}
	}
	return path, nil
}

// Prefix returns the beginning of canonical paths that a caller's beginning stands for.
func Prefix(prefix string) string { return strings.TrimPrefix(prefix, "/") }

// Content returns a *contract.RequestError with the param "content" for a text that a memory cannot hold.
func (r *Rules) Content(content string) error {
	switch {
	case len(content) > r.contentBytes:
		return &contract.RequestError{Param: "content", Message: fmt.Sprintf("Field 'content' must be at most %d bytes of UTF-8.", r.contentBytes)}
	case !r.contract.Accepts("MemoryContent", content):
		return &contract.RequestError{Param: "content", Message: "Field 'content' must not contain NUL."}
	}
	return nil
}

// ChangedError is store.ErrConflict for a change that is based on something that the memory no longer is. Its text is fit
// for callers.
type ChangedError struct {
	// Current is the memory as it is.
	Current store.Memory
	// Param names the field of the request that does not fit.
	Param string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("Memory '%s' has changed: its content_sha256 is %s, its version %d. Read it again and repeat the change.",
		e.Current.ID, e.Current.SHA256, e.Current.Version)
}

// Is reports whether target is store.ErrConflict.
func (e *ChangedError) Is(target error) bool { return target == store.ErrConflict }

// Problem implements problem.Error.
func (e *ChangedError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeConflictError, Message: e.Error(), Param: e.Param}
}
