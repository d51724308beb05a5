package main

import (
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

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/internal/child"
)

// replicaVariable is the variable with the job of a process that is a replica.
const replicaVariable = "SESSIONS_CLUSTER_REPLICA"

// replicaJob is what a replica serves.
type replicaJob struct {
	Number    int
	DB, Token string
}

// serveReplica serves until stdin ends, which also happens when the parent ends, and then drains. It leaves an interrupt
// of the terminal to the parent.
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

// replica is a replica's process, as its parent sees it.
type replica struct {
	*child.Process
	url *url.URL
}

// startReplica starts a replica and waits until it serves. The caller stops it; it is killed when hurry ends.
func startReplica(hurry context.Context, job replicaJob) (*replica, error) {
	p, line, err := child.Start(hurry, replicaVariable, job)
	if err != nil {
		return nil, fmt.Errorf("replica %d did not start", job.Number)
	}
	r := &replica{Process: p}
	if r.url, err = url.Parse(strings.TrimSpace(line)); err != nil {
		_ = r.stop()
		return nil, fmt.Errorf("replica %d did not start", job.Number)
	}
	return r, nil
}

// stop tells the replica to drain and waits for its end. That it was killed from outside is not an error: the cluster
// exists to demonstrate it.
func (r *replica) stop() error {
	err := r.Stop(patience)
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stopAll stops the replicas that were started, all at the same time.
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
