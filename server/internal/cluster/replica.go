package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// replicaVariable holds the job of a process that is a replica.
const replicaVariable = "SESSIONS_CLUSTER_REPLICA"

// replicaJob says what a replica serves.
type replicaJob struct {
	Number    int
	DB, Token string
}

// serveReplica serves until stdin ends, which it does when the parent goes, too, and then drains. An interrupt of the
// terminal is the parent's business.
func serveReplica(text string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	signal.Ignore(os.Interrupt)
	var job replicaJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := server.New(ctx, server.Config{
		DB: job.DB, Demo: true, DemoToken: job.Token,
		Logger: slog.New(slog.NewTextHandler(stderr, nil)).With("replica", job.Number),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, stdin)
	}()
	return s.Run(ctx, func(baseURL string) { fmt.Fprintln(stdout, baseURL) })
}

// replica is such a process, as its parent sees it.
type replica struct {
	url   *url.URL
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

// startReplica starts a replica and waits until it serves. The caller stops it; it is killed when hurry ends.
func startReplica(hurry context.Context, job replicaJob) (*replica, error) {
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &replica{cmd: exec.CommandContext(hurry, self)}
	r.cmd.Env = append(os.Environ(), replicaVariable+"="+string(text))
	r.cmd.Stderr = os.Stderr
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.out = bufio.NewReader(out)
	line, err := r.out.ReadString('\n')
	if err == nil {
		r.url, err = url.Parse(strings.TrimSpace(line))
	}
	if err != nil {
		_ = r.stop()
		return nil, fmt.Errorf("replica %d did not start", job.Number)
	}
	return r, nil
}

// stop tells the replica to drain and waits for its end. That it was killed from outside is no error: it is what the
// cluster is there to show.
func (r *replica) stop() error {
	_ = r.stdin.Close()
	defer time.AfterFunc(patience, func() { _ = r.cmd.Process.Kill() }).Stop()
	_, _ = io.Copy(io.Discard, r.out)
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stopAll stops those that were started, all at once.
func stopAll(all []*replica) error {
	errs := make([]error, len(all))
	var calls sync.WaitGroup
	for i, r := range all {
		if r != nil {
			calls.Go(func() { errs[i] = r.stop() })
		}
	}
	calls.Wait()
	return errors.Join(errs...)
}
