// Package pages serves the pages for people: static files that are part of the program. They are stored compressed and sent
// as they are stored. Index is the page at the server's root; packages console and docs have the others.
package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// suffix ends the names of the stored files.
const suffix = ".gz"

// mediaTypes are the media types of the files, by the ends of their names.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// file is one file of a site.
type file struct {
	media      string
	compressed []byte
	tag        string // of the compressed content; without its quotes
}

// Site serves a folder of files. It does not change once made and is safe for concurrent use.
type Site struct {
	policy string
	files  map[string]file // by path, without a slash at the start
}

// NewSite returns a handler of the files of a folder, each of which is compressed by gzip and has the name of its path and
// ".gz". index.html is also the folder itself. Every response has policy as its Content-Security-Policy. NewSite panics
// when a file cannot be read or has an unknown ending: the files are part of the program.
func NewSite(folder fs.FS, policy string) *Site {
	s := &Site{policy: policy, files: map[string]file{}}
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		stored := strings.TrimSuffix(name, suffix)
		media := mediaTypes[path.Ext(stored)]
		if media == "" || stored == name {
			panic("pages: the media type of " + name + " is unknown, or it is not compressed")
		}
		hash := sha256.Sum256(content)
		s.files[stored] = file{media, content, hex.EncodeToString(hash[:8])}
		return nil
	})
	if err != nil {
		panic(err)
	}
	if index, ok := s.files["index.html"]; ok {
		s.files[""] = index
	}
	return s
}

// ServeHTTP serves the file at the request's path, for GET and HEAD. Files may be cached but are revalidated each time, so
// that a page and its script are always of the same version.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), s.policy)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.files[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

// serve writes the file as it is stored, or decompressed for a caller that does not accept that.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	header, tag := w.Header(), `"`+f.tag+`"`
	compressed := acceptsGzip(r)
	if !compressed {
		tag = `"` + f.tag + `-identity"`
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.media)
	if compressed {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.Itoa(len(f.compressed)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(f.compressed)
		return
	}
	content, err := gzip.NewReader(bytes.NewReader(f.compressed))
	if err != nil {
		http.Error(w, "The page cannot be read.", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, content)
	}
}

// acceptsGzip reports whether the caller decompresses gzip.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.TrimSpace(weight) != "q=0"
		}
	}
	return false
}

// secure sets the headers that keep a page apart from others: what it may load and who may frame it, no guessed media types,
// no address of the page for other servers, and no window or response shared with other origins.
func secure(header http.Header, policy string) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}
