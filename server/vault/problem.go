package vault

import (
	"errors"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Feature is the feature that needs a key, as errors name it.
const Feature = "vaults"

// noKeyError is a secret that cannot be sealed, because the server has no key.
type noKeyError struct{}

func (*noKeyError) Error() string {
	return "This server has no key to encrypt secrets with; its operator has to set one with 'sessionsd serve --vault-key-file FILE'. A vault without credentials can be created."
}

// Problem implements problem.Error.
func (e *noKeyError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeFeatureNotAvailable, Message: e.Error(), Feature: Feature}
}

// keyAwayError is a secret whose key the server does not have. The cause is for logs.
type keyAwayError struct{ cause error }

func (e *keyAwayError) Error() string {
	if e.lost() {
		return "This server does not have the key that the vaults' secrets are encrypted with; its operator has to restore the key file, and restart the server with 'sessionsd serve --vault-key-file FILE'."
	}
	return "This server does not have the key that the vaults' secrets are encrypted with, which its operator has to provide."
}

// Unwrap returns the cause.
func (e *keyAwayError) Unwrap() error { return e.cause }

// lost reports whether the server has no key at all, which stays so until it is restarted. A single key that is unknown may
// come: the server reads the key file again when it needs it.
func (e *keyAwayError) lost() bool { return errors.Is(e.cause, errNoRing) }

// Problem implements problem.Error.
func (e *keyAwayError) Problem() problem.Problem {
	if e.lost() {
		return problem.Problem{Type: types.ErrorTypeFeatureNotAvailable, Message: e.Error(), Feature: Feature}
	}
	return problem.Problem{Type: types.ErrorTypeOverloadedError, Message: e.Error(), RetryAfter: time.Minute}
}

// damagedError is a sealed secret that was changed or cut, or that belongs to another credential.
type damagedError struct{ id string }

func (e *damagedError) Error() string {
	return fmt.Sprintf("The stored secret of credential '%s' is damaged; delete the credential and add it again.", e.id)
}

// Problem implements problem.Error.
func (e *damagedError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeConflictError, Message: e.Error()}
}
