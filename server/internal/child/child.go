// Package child runs this program again, as a process that has a job until its parent lets go of it. It imports the
// standard library only.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"time"
)

// Process is such a process, as its parent sees it. It ends itself when its standard input ends, which it does when
// the parent ends. Its standard error is the parent's.
type Process struct {
	// Cmd is the process, started.
	Cmd *exec.Cmd
	// Stdin and Stdout lead to it.
	Stdin  io.WriteCloser
	Stdout *bufio.Reader
}

// Start starts a process with its job, in JSON, in an environment variable, and returns the first line that it writes,
// once it is ready. The caller stops it; it is killed when ctx ends.
func Start(ctx context.Context, variable string, job any) (p *Process, first string, err error) {
	text, err := json.Marshal(job)
	if err != nil {
		return nil, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p = &Process{Cmd: exec.CommandContext(ctx, self)}
	p.Cmd.Env = append(os.Environ(), variable+"="+string(text))
	p.Cmd.Stderr = os.Stderr
	if p.Stdin, err = p.Cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	out, err := p.Cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	p.Stdout = bufio.NewReader(out)
	if err := p.Cmd.Start(); err != nil {
		return nil, "", err
	}
	if first, err = p.Stdout.ReadString('\n'); err != nil {
		_ = p.Stop(0)
		return nil, "", err
	}
	return p, first, nil
}

// Stop lets go of the process and waits for its end; it kills one that takes longer than patience.
func (p *Process) Stop(patience time.Duration) error {
	_ = p.Stdin.Close()
	defer time.AfterFunc(patience, func() { _ = p.Cmd.Process.Kill() }).Stop()
	_, _ = io.Copy(io.Discard, p.Stdout)
	return p.Cmd.Wait()
}
