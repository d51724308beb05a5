package auth

import (
	"context"
	"fmt"
	"slices"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

// scope is what tokens other than an account's open of an operation. The operation's path must name what the token is for.
type scope struct {
	// environment is for the keys of environments, session for the tokens of work items.
	environment, session bool
	// ended is for tokens of work items that have ended: the operation itself says that.
	ended bool
	// writes is whether a memory store of the path must be one that the session may write to.
	writes bool
}

// scopes are the operations that tokens other than an account's open (decision "Tokens of workers"). Every other operation
// is closed to them.
var scopes = map[string]scope{
	"ackWork":       {environment: true},
	"getWork":       {environment: true, session: true},
	"getWorkStats":  {environment: true},
	"heartbeatWork": {environment: true, session: true, ended: true},
	"listWork":      {environment: true},
	"pollWork":      {environment: true},
	"stopWork":      {environment: true, session: true},
	"updateWork":    {environment: true, session: true},

	"getSession":   {environment: true, session: true},
	"listEvents":   {environment: true, session: true},
	"sendEvents":   {environment: true, session: true}, // those of workerEvents
	"streamEvents": {environment: true, session: true},

	"createMemory": {session: true, writes: true}, // in the memory stores of the session
	"deleteMemory": {session: true, writes: true},
	"getMemory":    {session: true},
	"listMemories": {session: true},
	"putMemory":    {session: true, writes: true},
	"updateMemory": {session: true, writes: true},

	"getFile":        {session: true}, // the files of the session
	"getFileContent": {session: true},
}

// workerEvents are the events that tokens other than an account's may send: what runs tools must not approve them, or
// speak for the user.
var workerEvents = []string{"user.tool_result", "user.custom_tool_result"}

// MaySend returns nil if a token of that scope may send events of a type, otherwise a *ScopeError.
func MaySend(of store.TokenScope, event string) error {
	if of.Whole() || slices.Contains(workerEvents, event) {
		return nil
	}
	return &ScopeError{fmt.Sprintf("%s may send the results of tools only, not %s; use a token of the account.", holder(of), event)}
}

// ScopeError says why a token does not open an operation. Its text is for callers.
type ScopeError struct{ Message string }

func (e *ScopeError) Error() string { return e.Message }

// Problem implements problem.Error.
func (e *ScopeError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypePermissionError, Message: e.Message}
}

// holder names a token that is not an account's.
func holder(of store.TokenScope) string {
	if of.SessionID != "" {
		return "The token of a work item"
	}
	return "The key of an environment"
}

// Sessions is what authorization reads of sessions.
type Sessions interface {
	GetSession(ctx context.Context, account, id string) (store.Session, error)
	SessionEnvironment(ctx context.Context, account, id string) (environment string, byToken bool, err error)
}

// Authorize returns nil if the principal's token opens an operation on what the path's parameters name, which param
// returns. It returns a *ScopeError for an operation that the token does not open, an *Error for a token whose work item has
// ended, and a store.MissingError where the path names something that the token is not for.
func (a *Authenticator) Authorize(ctx context.Context, p Principal, operation string, param func(name string) string) error {
	if p.Scope.Whole() {
		return nil
	}
	opened := scopes[operation]
	switch {
	case p.Scope.Ended && !opened.ended:
		return errEnded
	case p.Scope.SessionID != "" && !opened.session, p.Scope.SessionID == "" && !opened.environment:
		return &ScopeError{fmt.Sprintf("%s does not open %s; use a token of the account.", holder(p.Scope), operation)}
	}
	if id := param("environment_id"); id != "" && id != p.Scope.EnvironmentID {
		return &store.MissingError{Noun: store.NounEnvironment, ID: id}
	}
	if id := param("work_id"); id != "" && p.Scope.WorkID != "" && id != p.Scope.WorkID {
		return &store.MissingError{Noun: store.NounWork, ID: id}
	}
	if id := param("memory_store_id"); id != "" {
		return a.authorizeMemory(ctx, p, id, opened.writes)
	}
	if id := param("file_id"); id != "" {
		return a.authorizeFile(ctx, p, id)
	}
	if id := param("session_id"); id != "" {
		return a.authorizeSession(ctx, p, id)
	}
	return nil
}

// authorizeSession returns nil if the principal's token is for a session.
func (a *Authenticator) authorizeSession(ctx context.Context, p Principal, id string) error {
	missing := &store.MissingError{Noun: store.NounSession, ID: id}
	if p.Scope.SessionID != "" {
		if id != p.Scope.SessionID {
			return missing
		}
		return nil
	}
	environment, byToken, err := a.sessions.SessionEnvironment(ctx, p.Account, id)
	switch {
	case err != nil:
		return err
	case environment != p.Scope.EnvironmentID:
		return missing
	case byToken:
		return &ScopeError{"A worker serves the session with the token of its work item; the key of the environment does not open the session meanwhile."}
	}
	return nil
}

// authorizeMemory returns nil if a memory store is one of the session's that the principal's token is for, and may be
// written to if the operation writes.
func (a *Authenticator) authorizeMemory(ctx context.Context, p Principal, id string, writes bool) error {
	session, err := a.sessions.GetSession(ctx, p.Account, p.Scope.SessionID)
	if err != nil {
		return err
	}
	for _, r := range session.Resources {
		switch {
		case r.Memory == nil || r.Memory.ID != id:
		case writes && r.Memory.ReadOnly:
			return &ScopeError{"The session may only read the memory store."}
		default:
			return nil
		}
	}
	return &store.MissingError{Noun: store.NounMemoryStore, ID: id}
}

// authorizeFile returns nil if a file is one of the session's that the principal's token is for.
func (a *Authenticator) authorizeFile(ctx context.Context, p Principal, id string) error {
	session, err := a.sessions.GetSession(ctx, p.Account, p.Scope.SessionID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(session.Resources, func(r store.Resource) bool { return r.Memory == nil && r.FileID == id }) {
		return &store.MissingError{Noun: store.NounFile, ID: id}
	}
	return nil
}

// errEnded is a token whose work item has ended.
var errEnded = &Error{"The token's work item has ended; poll for work again."}
