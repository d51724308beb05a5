package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// profile is a server and the token for it.
type profile struct {
	BaseURL string `json:"base_url"`
	Token   string `json:"token"`
	// CAFile is the absolute path of a file with certificates that are trusted for the server, "" for none.
	CAFile string `json:"ca_file,omitempty"`
}

// profiles are what login has stored, by name.
type profiles struct {
	Current string             `json:"current"`
	Named   map[string]profile `json:"profiles"`
}

// defaultProfile is the name of the profile of a login without one.
const defaultProfile = "default"

// profileName matches the names of profiles.
var profileName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// profilesFile is the path of the file of profiles.
func profilesFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "profiles.json"), err
}

// readProfiles reads the profiles; without a file there are none. It refuses a file that others can read.
func readProfiles() (*profiles, error) {
	stored := &profiles{Named: map[string]profile{}}
	path, err := profilesFile()
	if err != nil {
		return stored, nil //nolint:nilerr // without a home there are no profiles
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return stored, nil
	}
	if err != nil {
		return nil, pathError("read", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, pathError("read", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read the tokens in %s; run 'chmod 600 %s'", path, path)
	}
	if err := json.NewDecoder(file).Decode(stored); err != nil {
		return nil, fmt.Errorf("%s is not what 'sessions login' writes: %w; delete it and log in again", path, err)
	}
	if stored.Named == nil {
		stored.Named = map[string]profile{}
	}
	return stored, nil
}

// write replaces the file of profiles, completely or not at all.
func (p *profiles) write(ctx context.Context) error {
	path, err := profilesFile()
	if err != nil {
		return fmt.Errorf("there is no folder for the configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return pathError("write", err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil { // a link remains one
		path = target
	}
	return save(ctx, path, true, func(_ context.Context, to io.Writer) error {
		data, err := encodeJSON(p, "", "  ")
		if err == nil {
			_, err = to.Write(append(data, '\n'))
		}
		return err
	})
}

// names are the names of the profiles, sorted.
func (p *profiles) names() []string { return slices.Sorted(maps.Keys(p.Named)) }

// get returns the profile of a name, or the current one for "", which may be nil.
func (p *profiles) get(name string) (*profile, error) {
	found, ok := p.Named[name]
	switch {
	case ok:
		return &found, nil
	case name != "":
		return nil, usageError{fmt.Errorf("there is no profile %q; 'sessions profiles' lists them, 'sessions login --profile %s' makes one", name, name)}
	case p.Current != "":
		if found, ok = p.Named[p.Current]; ok {
			return &found, nil
		}
	}
	return nil, nil
}

// isFor reports whether a base URL is that of the profile. Its token is for no other.
func (p *profile) isFor(baseURL string) bool {
	return strings.TrimRight(p.BaseURL, "/") == strings.TrimRight(baseURL, "/")
}
