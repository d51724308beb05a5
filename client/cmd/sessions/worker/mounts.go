package worker

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// uploads is where files of sessions appear by default. It is mapped before there is a file, so that a shell that runs
// already sees those that are added.
const uploads = "/mnt/session/uploads"

// link maps a path that a session knows, which is absolute, to a name in the worker's folder.
type link struct {
	at, name string
	store    bool // a memory store's, whose files are its memories
}

// mounts are where the resources of a session are in the worker's folder.
type mounts struct {
	dir    string // the folder's absolute path
	links  []link
	failed map[string]string // why a file or a memory store is missing, by its path
}

func newMounts(dir string) *mounts {
	m := &mounts{dir: dir, failed: map[string]string{}}
	m.add(link{at: uploads, name: strings.TrimPrefix(uploads, "/")})
	return m
}

// add maps a path.
func (m *mounts) add(new link) {
	if !slices.ContainsFunc(m.links, func(l link) bool { return l.at == new.at }) {
		m.links = append(m.links, new)
	}
}

// addFile maps the folder of a file, or the file itself if it has none, and returns its name in the worker's folder.
func (m *mounts) addFile(at string) (name string) {
	name = strings.TrimPrefix(at, "/")
	if in := path.Dir(at); in != "/" {
		m.add(link{at: in, name: strings.TrimPrefix(in, "/")})
	} else {
		m.add(link{at: at, name: name})
	}
	return name
}

// within reports whether a path is another one or below it.
func within(at, folder string) bool { return at == folder || strings.HasPrefix(at, folder+"/") }

// of returns the link that a path is below.
func (m *mounts) of(at string) (found link, ok bool) {
	for _, l := range m.links {
		if within(at, l.at) && len(l.at) >= len(found.at) {
			found, ok = l, true
		}
	}
	return found, ok
}

// missing returns why the file at a path is missing, or the memory store that it is in; "" if neither is.
func (m *mounts) missing(at string) string {
	for failed, why := range m.failed {
		if within(at, failed) {
			return why
		}
	}
	return ""
}

// inFolder returns the path of a file tool: below the folder for what is mapped, others unchanged. What a path of the folder
// names comes first.
func (m *mounts) inFolder(at string) string {
	clean := path.Clean(at)
	l, ok := m.of(clean)
	if !path.IsAbs(at) || !ok || within(clean, filepath.ToSlash(m.dir)) {
		return at
	}
	return path.Join(l.name, strings.TrimPrefix(clean, l.at))
}

// inSandbox are the links that a sandbox has as symbolic links, which are resolved inside of it: they never lead out. Left
// out are those that would hide what the sandbox has, and those below another one.
func (m *mounts) inSandbox() (links []link) {
	has := append([]string{"/usr", "/dev", "/proc", "/tmp", filepath.ToSlash(m.dir)}, system...)
	for _, l := range m.links {
		bad := func(other string) bool { return within(l.at, other) || within(other, l.at) }
		nested := func(other link) bool { return other.at != l.at && within(l.at, other.at) }
		if !slices.ContainsFunc(has, bad) && !slices.ContainsFunc(m.links, nested) {
			links = append(links, l)
		}
	}
	return links
}
