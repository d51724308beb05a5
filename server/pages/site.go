// Package pages serves the pages for people: static files that are part of the program, stored compressed and sent as they
// are stored. Index is the page at the server's root; packages console and docs have the others.
package pages

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/server/coding"
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
	stored string // its path in the folder
	media  string
	size   int64  // of the compressed content, in bytes
	tag    string // of the compressed content; without its quotes
}

// Site serves a folder of files. It does not change and is safe for concurrent use.
type Site struct {
	folder fs.FS
	policy string
	files  func() (map[string]file, error) // by path, without a slash at the start
}

// NewSite returns a handler of the files below root, a path of folder. Each is compressed by gzip and has the name of its path
// and ".gz"; index.html is also root itself. Every response has policy as its Content-Security-Policy. The files are first
// read when the first of them is requested.
func NewSite(folder fs.FS, root, policy string) *Site {
	return &Site{folder: folder, policy: policy, files: sync.OnceValues(func() (map[string]file, error) { return survey(folder, root) })}
}

// survey returns what is known of the files below root.
func survey(folder fs.FS, root string) (map[string]file, error) {
	files := map[string]file{}
	err := fs.WalkDir(folder, root, func(stored string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, compressed := strings.CutSuffix(strings.TrimPrefix(stored, root+"/"), suffix)
		media := mediaTypes[path.Ext(name)]
		if !compressed || media == "" {
			return fmt.Errorf("%s is not compressed, or of an unknown type", stored)
		}
		content, err := folder.Open(stored)
		if err != nil {
			return err
		}
		defer content.Close()
		hash := sha256.New()
		size, err := io.Copy(hash, content)
		files[name] = file{stored, media, size, hex.EncodeToString(hash.Sum(nil)[:8])}
		return err
	})
	if index, ok := files["index.html"]; ok {
		files[""] = index
	}
	return files, err
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
	files, err := s.files()
	f, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case err != nil:
		http.Error(w, "The page cannot be read.", http.StatusInternalServerError)
	case !ok:
		http.Error(w, "There is no such page.", http.StatusNotFound)
	default:
		s.serve(w, r, f)
	}
}

// serve writes a file as it is stored, or decompressed for a caller that does not accept that.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, f file) {
	header, tag := w.Header(), `"`+f.tag+`"`
	compressed := coding.AcceptsGzip(r.Header.Values("Accept-Encoding"))
	if !compressed {
		tag = `"` + f.tag + `-identity"`
	}
	header.Add("Vary", "Accept-Encoding")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", tag)
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	content, err := s.open(f, compressed)
	if err != nil {
		http.Error(w, "The page cannot be read.", http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", f.media)
	if compressed {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.FormatInt(f.size, 10))
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, content)
	}
}

// matches reports whether If-None-Match headers have an entity tag, strong or weak, or stand for any (RFC 9110, section
// 13.1.2). http.ServeContent would need content that can be read from any place.
func matches(headers []string, tag string) bool {
	for element := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		element = strings.TrimSpace(element)
		if element == "*" || strings.TrimPrefix(element, "W/") == tag {
			return true
		}
	}
	return false
}

// open returns the content of a file, compressed or not. Files of a program need not be closed.
func (s *Site) open(f file, compressed bool) (io.Reader, error) {
	content, err := s.folder.Open(f.stored)
	if err != nil || compressed {
		return content, err
	}
	return gzip.NewReader(content)
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
