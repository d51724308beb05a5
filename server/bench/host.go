package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// host is a process that serves a variant, as its parent sees it.
type host struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	stdout   *bufio.Reader
	addr     string
	requests requests
}

// startHost starts a process for a job and waits until it serves. The caller stops it.
func startHost(ctx context.Context, j job) (*host, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &host{cmd: exec.CommandContext(ctx, self)}
	h.cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	h.cmd.Stderr = os.Stderr
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.stdout = bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := h.stdout.ReadBytes('\n')
	var r ready
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		_ = h.stop()
		return nil, fmt.Errorf("variant %q did not start: %w", j.Variant, err)
	}
	h.addr, h.requests = strings.TrimPrefix(r.BaseURL, "http://"), r.Requests
	return h, nil
}

// cpuTime asks the process for the CPU time that it has used.
func (h *host) cpuTime() (time.Duration, error) {
	if _, err := io.WriteString(h.stdin, "\n"); err != nil {
		return 0, err
	}
	var nanoseconds int64
	_, err := fmt.Fscanln(h.stdout, &nanoseconds)
	return time.Duration(nanoseconds), err
}

// stop ends the process: kindly, so that it writes its profile, then for certain.
func (h *host) stop() error {
	_ = h.stdin.Close()
	defer time.AfterFunc(20*time.Second, func() { _ = h.cmd.Process.Kill() }).Stop()
	_, _ = io.Copy(io.Discard, h.stdout)
	return h.cmd.Wait()
}
