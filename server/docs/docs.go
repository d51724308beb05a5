// Package docs is the API reference: the server's contract in the viewer Scalar, which can also try operations on the server.
// The viewer is part of the program; nothing is loaded from elsewhere.
package docs

import (
	"embed"
	"net/http"

	"github.com/cloud-sessions/sessions/server/pages"
)

//go:embed dist
var dist embed.FS

// policy lets the reference load its own files and call its own server, and nothing else. The viewer sets styles in its
// elements, so that these may be inline; scripts may not.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns the handler of the reference, which serves GET and HEAD of the paths below its own, as that of package
// console does. The page reads the contract at ../openapi.json and calls the API at ../v1, seen from its address.
func Handler() http.Handler { return site }

var site = pages.NewSite(dist, "dist", policy)
