//go:build unix

// Package npmtest starts servers from npm for tests.
package npmtest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/freeport"
)

// timeout is how long npm may take to install a server and start it.
const timeout = 8 * time.Minute

// Start runs a command of an npm package, NAME@VERSION, in which FREE stands for a free port, until the test ends. It waits
// until the port accepts connections, and returns http://127.0.0.1:PORT. The machine must have npx, or the test fails. However
// the test ends, everything that the command has started ends with it.
func Start(t *testing.T, npm string, args ...string) (url string) {
	t.Helper()
	address := freeport.Address(t)
	_, port, _ := net.SplitHostPort(address)
	for i := range args {
		args[i] = strings.Replace(args[i], "FREE", port, 1)
	}
	// The group (npx, a shell, node) is killed when its standard input closes, which it does even if this process is killed.
	command := append([]string{"-c", `{ "$@"; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`, "sh", filepath.Join(root(t), ".ci/npm-run"), npm}, args...)
	cmd := exec.Command("sh", command...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() {
		_ = stdin.Close()
		<-ended
	}
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			t.Fatalf("%s ended before it listened:\n%s", npm, &log)
		case <-ctx.Done():
			stop()
			t.Fatalf("%s did not listen within %s:\n%s", npm, timeout, &log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// root returns the folder of the module, above the test's.
func root(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		if filepath.Dir(folder) == folder {
			break
		}
		folder = filepath.Dir(folder)
	}
	t.Fatal("the test is not within the module")
	return ""
}
