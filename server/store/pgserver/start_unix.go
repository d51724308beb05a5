//go:build unix

package pgserver

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// script starts a server and stops it when its standard input ends.
//
//go:embed server.sh
var script string

// start starts a server and returns its URL. Closing hold stops it and waits until nothing is left of it.
func start(parent string) (address string, hold io.Closer, err error) {
	programs, err := programs()
	if err != nil {
		return "", nil, err
	}
	// Only its owner enters the folder.
	dir, err := os.MkdirTemp(parent, "postgres-")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", script, "server.sh", programs, dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt is for this process alone
	if os.Geteuid() == 0 {
		if cmd.SysProcAttr.Credential, err = unprivileged(); err != nil {
			return "", nil, err
		}
		if err := os.Chown(dir, int(cmd.SysProcAttr.Credential.Uid), int(cmd.SysProcAttr.Credential.Gid)); err != nil {
			return "", nil, err
		}
	}
	if hold, err = launch(cmd); err != nil {
		return "", nil, err
	}
	query := url.Values{"host": {dir}, "user": {"postgres"}}
	return (&url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: query.Encode()}).String(), hold, nil
}

// launch starts the script and waits until it reports that the server accepts connections. The script waits for the
// end of its standard input, which hold keeps open.
func launch(cmd *exec.Cmd) (hold io.Closer, err error) {
	in, keep, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	said, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd.Stdin, cmd.Stdout = in, out
	if err := errors.Join(cmd.Start(), in.Close(), out.Close()); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(said)
	if line, err := lines.ReadString('\n'); err != nil || line != "up\n" {
		rest, _ := io.ReadAll(lines)
		return nil, fmt.Errorf("the server did not start: %s%s", line, rest)
	}
	return running{cmd, keep}, nil
}

// running is the script and the pipe that keeps it running.
type running struct {
	script *exec.Cmd
	keep   io.Closer
}

// Close implements io.Closer.
func (r running) Close() error { return errors.Join(r.keep.Close(), r.script.Wait()) }

// programs returns the folder of the newest PostgreSQL on the machine.
func programs() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb"} {
		matches, _ := filepath.Glob(pattern)
		found = append(found, matches...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return "", ErrNone
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// version is the number in a path, 0 without one.
func version(path string) int {
	digits := strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' })
	n, _ := strconv.Atoi(strings.Join(digits, ""))
	return n
}

// unprivileged is the user that a server runs as when this process runs as root, which PostgreSQL refuses.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}
