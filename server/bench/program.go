package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// build builds the program of the module in a folder, the current one for "".
func build(ctx context.Context, module, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-o", binary, "github.com/cloud-sessions/sessions/server/cmd/sessionsd")
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0") // as make build does
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build sessionsd: %w: %s", err, out)
	}
	return nil
}

// buildRevision builds the program as a git revision has it.
func buildRevision(ctx context.Context, dir, revision, binary string) (err error) {
	tree := filepath.Join(dir, "base")
	git := func(args ...string) error {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := git("worktree", "add", "--detach", tree, revision); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, git("worktree", "remove", "--force", tree)) }()
	return build(ctx, tree, binary)
}

// program is a process of sessionsd that serves the demo account.
type program struct {
	cmd      *exec.Cmd
	out      io.Reader
	addr     string
	sessions []string // ids of those that were created at first
}

// startProgram starts the program on a database and waits until it serves. The caller stops it.
func startProgram(ctx context.Context, binary, db string, flags ...string) (*program, error) {
	args := append([]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--demo", "--log-format", "json"}, flags...)
	p := &program{cmd: exec.CommandContext(ctx, binary, args...)}
	p.cmd.Env = append(os.Environ(), "QODER_PAT="+token)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %w", binary, err), p.stop())
	}
	p.addr = strings.TrimPrefix(strings.TrimSpace(line), "listening on http://")
	return p, nil
}

// stop ends the program and waits for its end.
func (p *program) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() }).Stop()
	_, _ = io.Copy(io.Discard, p.out)
	return p.cmd.Wait()
}

// ticks is how many parts of a second /proc counts CPU time in.
const ticks = 100

// cpuTime returns the CPU time that the process has used, 0 where there is no /proc.
func (p *program) cpuTime() (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc has %q", stat)
	}
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err, err2)
}

func (p *program) served() served { return served{p.addr, p.cpuTime} }

// residentMB is the resident memory of the process in units of 1,000,000 bytes.
func (p *program) residentMB() float64 { return residentMB(p.cmd.Process.Pid) }
