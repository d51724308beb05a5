package pages

import (
	_ "embed"
	"net/http"
	"strconv"

	"github.com/cloud-sessions/sessions/server/coding"
)

//go:embed index.html
var index []byte

//go:embed index.css
var style []byte

//go:embed icon.svg
var icon []byte

// indexPolicy lets the page at the root load its style sheet and its icon and nothing else.
const indexPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// WantsPage reports whether a request comes from a browser that opens a page, rather than from a program: it names text/html.
func WantsPage(r *http.Request) bool { return coding.Names(r.Header.Values("Accept"), "text/html") }

// Index serves the page at the server's root, which says what the server is and where its other pages are.
func Index(w http.ResponseWriter, _ *http.Request) { serveText(w, "text/html; charset=utf-8", index) }

// IndexStyle serves the style sheet of Index.
func IndexStyle(w http.ResponseWriter, _ *http.Request) {
	serveText(w, "text/css; charset=utf-8", style)
}

// Icon serves the icon of Index.
func Icon(w http.ResponseWriter, _ *http.Request) { serveText(w, "image/svg+xml", icon) }

func serveText(w http.ResponseWriter, media string, text []byte) {
	header := w.Header()
	secure(header, indexPolicy)
	header.Set("Content-Type", media)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(text)
}
