package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestOneServerPerFile starts a second server on a file, also by another name of it, while the first one runs, and after
// it was killed. Other commands work beside a server, except the one that rewrites the file.
func TestOneServerPerFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "x.db"), filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (code int, stdout, stderr string) {
		t.Helper()
		cmd := program(t, nil, args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode(), out.String(), errs.String()
	}
	first := serve(t, nil, "--db", "sqlite:"+path)
	refusal := "sessionsd: another process serves the database file " + path +
		", or restores it; stop it first, or choose another file (several servers can share a PostgreSQL)\n"
	for _, name := range []string{path, link} {
		for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"compact"}} {
			if code, stdout, stderr := run(append(args, "--db", "sqlite:"+name)...); code != 1 || stdout != "" || stderr != refusal {
				t.Errorf("%s on %s: %d, %q, %q", args, name, code, stdout, stderr)
			}
		}
		code, token, stderr := run("token", "create", "--account", "acme", "--db", "sqlite:"+name)
		if code != 0 || status(t, first.baseURL+"/v1/agents", strings.TrimSpace(token)) != 200 {
			t.Errorf("a token beside the server: %d, %s", code, stderr)
		}
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	second := serve(t, nil, "--db", "sqlite:"+link)
	_ = second.Process.Signal(syscall.SIGTERM)
	second.stopped(t)
	code, stdout, stderr := run("compact", "--db", "sqlite:"+path)
	said := regexp.MustCompile(`^compacting ` + regexp.QuoteMeta(path) + `: [0-9.]+ MiB, [0-9.]+ MiB of it free; this needs up to [0-9.]+ MiB of temporary space .*\n` +
		`compacted to [0-9.]+ MiB in [0-9.a-z]+\n$`)
	if code != 0 || !said.MatchString(stdout) || stderr != "" {
		t.Errorf("compact: %d, %q, %q", code, stdout, stderr)
	}
}
