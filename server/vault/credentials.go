// Package vault keeps the secrets of vaults: it seals them before they are stored, and opens them only where they are used.
package vault

import (
	"context"
	"errors"
	"net/http"
)

// Credentials authorises requests to MCP servers. *Safe implements it.
type Credentials interface {
	// Bearer returns the token that authorises requests to the MCP server at a URL: that of the first vault with a
	// credential for the URL, as MatchURL compares them; "" when none has one. Archived vaults and credentials, those that
	// were deleted, and those of other accounts authorise nothing.
	//
	// refused is the token that the server has refused, "" for none. An access token of OAuth that has expired, or that
	// was refused, is refreshed first. The error is ErrRefused when there is no other token. Every error is fit for
	// callers, and reveals nothing of a secret or of what a token endpoint returned. It is safe for concurrent use.
	Bearer(ctx context.Context, account string, vaultIDs []string, serverURL, refused string) (token string, err error)
}

// Doer sends a request; the caller chose its URL, so an implementation guards where it goes. Redirects are not followed.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// ErrRefused means that the server refused the only token that there is.
var ErrRefused = errors.New("the MCP server refused the vault's credential; update the credential")
