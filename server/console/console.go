// Package console is the page in which people watch and use sessions: a client of the API like any other, for a browser. Its
// sources are in src; make console builds dist from them.
package console

import (
	"embed"
	"net/http"

	"github.com/cloud-sessions/sessions/server/pages"
)

//go:embed dist
var dist embed.FS

// policy lets the console load its own files and call its own server, and nothing else. Nothing may be inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Handler returns the handler of the console, which serves GET and HEAD of the paths below its own and is safe for concurrent
// use. Strip its prefix, which must end with a slash for browsers, as in
//
//	http.Handle("/console/", http.StripPrefix("/console/", console.Handler()))
//
// The page calls the API at ../v1, seen from its address, with the access token that the user gives it.
func Handler() http.Handler { return site }

var site = pages.NewSite(dist, "dist", policy)
