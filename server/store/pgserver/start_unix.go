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

// The scripts of a standby and of a pooler, likewise.
//
//go:embed standby.sh
var standbyScript string

//go:embed pooler.sh
var poolerScript string

// start starts a server and returns its URL. Closing hold stops it and waits until nothing is left of it.
func start(parent string) (address string, hold io.WriteCloser, err error) {
	programs, err := programs()
	if err != nil {
		return "", nil, err
	}
	dir, hold, err := inFolder(parent, nil, func(dir string) []string { return []string{script, "server.sh", programs, dir} })
	return socketURL(dir, "postgres", url.Values{"user": {"postgres"}}), hold, err
}

// startStandby starts a standby of the server with that connection string. The line "promote", written to hold, promotes it.
func startStandby(primary string) (address string, hold io.WriteCloser, err error) {
	programs, err := programs()
	if err != nil {
		return "", nil, err
	}
	dir, hold, err := inFolder("", nil, func(dir string) []string {
		return []string{standbyScript, "standby.sh", programs, dir, primary}
	})
	return socketURL(dir, "postgres", url.Values{"user": {"postgres"}}), hold, err
}

// startPooler starts a pooler with those settings, to which it adds where to listen.
func startPooler(program, database, settings string) (address string, hold io.WriteCloser, err error) {
	dir, hold, err := inFolder("", func(dir string) error {
		listen := "listen_port = 6432\nunix_socket_dir = " + dir + "\n"
		return os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(settings+listen), 0o644)
	}, func(dir string) []string { return []string{poolerScript, "pooler.sh", program, dir} })
	return socketURL(dir, database, url.Values{"user": {"pooled"}, "port": {"6432"}}), hold, err
}

// socketURL is the URL of a database at a Unix socket in a folder.
func socketURL(dir, database string, query url.Values) string {
	query.Set("host", dir)
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: query.Encode()}).String()
}

// inFolder runs a script, with its arguments, in a new folder that prepare may fill.
func inFolder(parent string, prepare func(dir string) error, script func(dir string) []string) (dir string, hold io.WriteCloser, err error) {
	// Only its owner enters the folder.
	dir, err = os.MkdirTemp(parent, "postgres-")
	if err != nil {
		return "", nil, err
	}
	if prepare != nil {
		if err := prepare(dir); err != nil {
			return "", nil, err
		}
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c"}, script(dir)...)...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt is for this process alone
	if os.Geteuid() == 0 {
		if cmd.SysProcAttr.Credential, err = unprivileged(); err != nil {
			return "", nil, err
		}
		if err := GiveAway(dir); err != nil {
			return "", nil, err
		}
	}
	hold, err = launch(cmd)
	return dir, hold, err
}

// GiveAway makes a folder that of the user that servers run as, when this process runs as root.
func GiveAway(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	user, err := unprivileged()
	if err != nil {
		return err
	}
	return os.Chown(dir, int(user.Uid), int(user.Gid))
}

// launch starts the script and waits until it reports that the server accepts connections. The script waits for the
// end of its standard input, which hold keeps open.
func launch(cmd *exec.Cmd) (hold io.WriteCloser, err error) {
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
	keep   io.WriteCloser
}

// Write implements io.Writer: what is written is the script's standard input.
func (r running) Write(p []byte) (int, error) { return r.keep.Write(p) }

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
