package store

import (
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// failure is an error without details whose text is for logs, and what callers see of it.
type failure struct {
	text string
	seen problem.Problem
}

func (f *failure) Error() string { return f.text }

// Problem implements problem.Error.
func (f *failure) Problem() problem.Problem { return f.seen }

// Problem implements problem.Error.
func (e *MissingError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeNotFoundError, Message: e.Error()}
}

// fieldOf names the field of a request that refers to a kind of resource.
var fieldOf = map[Noun]string{
	NounAgent: "agent", NounEnvironment: "environment_id", NounMemoryStore: "memory_store_ids", NounVault: "vault_ids",
}

// Problem implements problem.Error.
func (e *ArchivedError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Message: e.Error(), Param: fieldOf[e.Noun]}
}

// Problem implements problem.Error.
func (e *VersionError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeConflictError, Message: e.Error(), Param: "version"}
}

// Problem implements problem.Error.
func (e *StateError) Problem() problem.Problem {
	if e.Invalid {
		return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Status: http.StatusConflict, Message: e.Error()}
	}
	return problem.Problem{Type: types.ErrorTypeConflictError, Message: e.Error()}
}

// Problem implements problem.Error.
func (e *QuotaError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Message: e.Error(), Param: "file"}
}

// Problem implements problem.Error.
func (e *FullError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Message: e.Error()}
}

// Problem implements problem.Error.
func (e *MemoryExistsError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeConflictError, Message: e.Error(), Param: "path"}
}

// unavailable is what callers see of ErrUnavailable.
var unavailable = problem.Problem{
	Type: types.ErrorTypeOverloadedError, RetryAfter: time.Second,
	Message: "The server cannot answer for the moment. Try again with the same idempotency key.",
}
