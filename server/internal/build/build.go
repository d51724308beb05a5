// Package build says which build of the program runs.
package build

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Info describes a build. Fields that the build does not know are empty: a program that `go install` built of a released
// version knows no commit, one that was built in a repository has both.
type Info struct {
	// Version is the version of the module, such as v1.2.3, or (devel).
	Version string
	// Commit is the revision in version control, with "-dirty" after it when files were changed.
	Commit string
	// Date is the time of that revision, in RFC 3339.
	Date string
	// Go is the version of Go.
	Go string
}

// Read returns the build of this program.
var Read = sync.OnceValue(func() Info {
	built, _ := debug.ReadBuildInfo()
	return of(built)
})

// of returns what Go recorded of a build; nil for nothing.
func of(built *debug.BuildInfo) Info {
	info := Info{Version: "(devel)", Go: runtime.Version()}
	if built == nil {
		return info
	}
	info.Version = cmp.Or(built.Main.Version, info.Version)
	dirty := ""
	for _, setting := range built.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Commit = setting.Value
		case "vcs.time":
			info.Date = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if info.Commit != "" {
		info.Commit += dirty
	}
	return info
}

// String returns what is known, in one line.
func (i Info) String() string {
	parts := []string{i.Version}
	if i.Commit != "" {
		parts = append(parts, "commit "+i.Commit)
	}
	if i.Date != "" {
		parts = append(parts, "of "+i.Date)
	}
	return strings.Join(append(parts, i.Go), ", ")
}
