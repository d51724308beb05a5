package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

const (
	chaosWorkers = 3
	chaosCallers = 3
	chaosKills   = 4
	chaosLease   = 2 * time.Second
)

// TestKilledWorkers kills official workers and the server, which has a SQLite file, at random while turns with tools run,
// and lets workers hang until they have lost their lease. By default it does so a few times; `make test-cluster-long` takes a minute.
func TestKilledWorkers(t *testing.T) {
	t.Parallel()
	turnsAreKept(t, "sqlite:"+filepath.Join(t.TempDir(), "sessions.db"), 1)
}

// TestKilledWorkersOfReplicas is TestKilledWorkers with three replicas.
func TestKilledWorkersOfReplicas(t *testing.T) {
	t.Parallel()
	turnsAreKept(t, pgtest.NewDatabase(t), 3)
}

// turnsAreKept runs turns with tools while workers and servers are killed or hang, and checks that every turn ends once, that every
// file that a tool acknowledged is there, and that a call runs again only where the decision "Tool calls and failures"
// allows it.
func turnsAreKept(t *testing.T, database string, replicas int) {
	lasts := clusterLasts(t)
	seed := number(t, crashSeed, uint64(time.Now().UnixNano()))
	random := rand.New(rand.NewPCG(seed, 0))
	jobs := 200 + int(lasts.Seconds())*40
	script := filepath.Join(t.TempDir(), "script.yaml")
	if err := os.WriteFile(script, []byte(scriptOfJobs(jobs)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startClusterOn(t, database, replicas, "--runner", "script", "--script", script, "--work-lease", chaosLease.String())
	x := newChaos(c, int64(jobs))
	workersKilled, workersPaused, serversKilled := 0, 0, 0
	for n, end := 0, time.Now().Add(lasts); n < chaosKills || time.Now().Before(end); n++ {
		before := x.recorded()
		c.wait("workers do something", func() bool { return t.Failed() || x.recorded() >= before+2 })
		if t.Failed() {
			break
		}
		time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
		switch i := random.IntN(chaosWorkers); n % 3 {
		case 0:
			x.killWorker(i)
			x.startWorker(i)
			workersKilled++
		case 1:
			i := random.IntN(replicas)
			_ = c.replicas[i].Process.Kill()
			_ = c.replicas[i].Wait()
			c.restart(i)
			serversKilled++
		case 2:
			pause(x.workers[i].Process, 2*chaosLease)
			workersPaused++
		}
	}
	x.stopCallers()
	for i := range x.workers {
		x.killWorker(i)
	}
	found := x.check()
	t.Logf("%d workers and %d servers were killed, %d workers hung; %d turns in %d sessions, of which %d failed; %d calls, %d of them ran again; %d handlings of items (%s=%d)",
		workersKilled, serversKilled, workersPaused, found.turns, len(x.sessions), found.failed, found.calls, found.again, found.handlings, crashSeed, seed)
	if replicas > 1 && found.failed > 0 {
		t.Errorf("%d turns failed, although another replica could continue them", found.failed)
	}
}

// scriptOfJobs makes the agent write two files for a job.
func scriptOfJobs(jobs int) string {
	var script strings.Builder
	script.WriteString("rules:\n")
	for n := range jobs {
		fmt.Fprintf(&script, "  - match: {text: job %[1]d}\n    steps:\n"+
			"      - use: {tool: write, input: {file_path: %[1]d-a, content: text of %[1]d-a}}\n"+
			"      - use: {tool: write, input: {file_path: %[1]d-b, content: text of %[1]d-b}}\n"+
			"      - say: done\n", n)
	}
	return script.String()
}

// chaos is callers and workers of one environment.
type chaos struct {
	*cluster
	client                  *client.Client
	proxy                   *httptest.Server // where workers reach the cluster
	environment, key, agent string
	folder, recorders       string
	workers                 []*exec.Cmd
	started                 int
	jobs                    int64
	nextJob                 atomic.Int64
	stop                    chan struct{}
	callers                 sync.WaitGroup

	mu       sync.Mutex
	sessions []string
}

func newChaos(c *cluster, jobs int64) *chaos {
	c.Helper()
	x := &chaos{
		cluster: c, client: c.everywhere(client.WithMaxRetries(30), client.WithMaxReconnects(30)), jobs: jobs,
		folder: c.TempDir(), recorders: c.TempDir(), workers: make([]*exec.Cmd, chaosWorkers), stop: make(chan struct{}),
	}
	x.proxy = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "cluster" },
		Transport: c.balancer, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	})
	c.Cleanup(func() {
		x.proxy.CloseClientConnections()
		x.proxy.Close()
	})
	ctx := c.Context()
	environment, err := x.client.Environments.Create(ctx, &client.CreateEnvironmentRequest{Name: "own", Config: client.NewEnvironmentConfig(client.SelfHostedConfig{})})
	if err != nil {
		c.Fatal(err)
	}
	key, err := x.client.Environments.Keys.Create(ctx, environment.ID, &client.CreateEnvironmentKeyRequest{Name: "workers"})
	if err != nil {
		c.Fatal(err)
	}
	agent, err := x.client.Agents.Create(ctx, &client.CreateAgentRequest{
		Name: "coder", Model: "ultimate", Tools: []client.AgentTool{client.NewAgentTool(client.BuiltinToolset{})},
	})
	if err != nil {
		c.Fatal(err)
	}
	x.environment, x.key, x.agent = environment.ID, *key.Key, agent.ID
	for i := range x.workers {
		x.startWorker(i)
	}
	for range chaosCallers {
		x.callers.Go(x.call)
	}
	c.Cleanup(x.stopCallers)
	return x
}

// startWorker starts a process of the official worker.
func (x *chaos) startWorker(i int) {
	x.Helper()
	job, err := json.Marshal(workerJob{
		URL: x.proxy.URL, Environment: x.environment, Key: x.key, Folder: x.folder, Record: x.recording(x.started),
	})
	if err != nil {
		x.Fatal(err)
	}
	x.started++
	worker := program(x.T, []string{asWorker + "=" + string(job)})
	if err := worker.Start(); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	})
	x.workers[i] = worker
}

// killWorker kills a worker.
func (x *chaos) killWorker(i int) {
	_ = x.workers[i].Process.Kill()
	_ = x.workers[i].Wait()
}

// call creates sessions and runs turns in them until the test stops it.
func (x *chaos) call() {
	for {
		session, err := x.client.Sessions.Create(x.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: x.agent}, EnvironmentID: x.environment})
		if err != nil {
			x.Error(err)
			return
		}
		x.mu.Lock()
		x.sessions = append(x.sessions, session.ID)
		x.mu.Unlock()
		for range 3 {
			job := x.nextJob.Add(1)
			select {
			case <-x.stop:
				return
			default:
			}
			if job >= x.jobs {
				return
			}
			for _, err := range x.client.Sessions.Run(x.Context(), session.ID, fmt.Sprint("job ", job), nil) {
				if err != nil {
					x.Errorf("session %s, job %d: %v", session.ID, job, err)
					return
				}
			}
		}
	}
}

// stopCallers lets the callers finish their turns.
func (x *chaos) stopCallers() {
	select {
	case <-x.stop:
	default:
		close(x.stop)
	}
	x.callers.Wait()
}

// recorded counts what workers have done.
func (x *chaos) recorded() (n int) {
	x.Helper()
	for _, text := range x.recordings() {
		n += bytes.Count(text, []byte("\n"))
	}
	return n
}

// records returns what workers have done. None may run any longer.
func (x *chaos) records() (all []record) {
	x.Helper()
	for _, text := range x.recordings() {
		for line := range bytes.Lines(text) {
			var r record
			if err := json.Unmarshal(line, &r); err != nil {
				x.Fatalf("%s: %v", line, err)
			}
			all = append(all, r)
		}
	}
	return all
}

// recordings returns the texts of the records.
func (x *chaos) recordings() (texts [][]byte) {
	x.Helper()
	for n := range x.started {
		text, err := os.ReadFile(x.recording(n))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // the worker may not have begun
			x.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// recording is the file of the n-th worker.
func (x *chaos) recording(n int) string { return filepath.Join(x.recorders, fmt.Sprint(n)) }

// findings count what happened.
type findings struct{ turns, failed, calls, again, handlings int }

// check reads what is stored and what the workers did.
func (x *chaos) check() (found findings) {
	x.Helper()
	uses := map[string]string{} // their files
	for _, session := range x.sessions {
		x.checkSession(session, uses, &found)
	}
	acknowledged := map[string]time.Time{} // files of calls
	took := map[string]time.Time{}         // by handling
	records := x.records()
	for _, r := range records {
		switch r.Kind {
		case "took":
			took[r.Handling] = r.At
		case "acknowledged":
			file, stored := uses[r.Use]
			if !stored {
				x.Errorf("the result for %s was acknowledged, and the call is gone", r.Use)
			}
			if acknowledged[file].IsZero() {
				acknowledged[file] = r.At
			}
		}
	}
	ran, calls := map[record]bool{}, map[string]int{}
	for _, r := range records {
		if r.Kind != "ran" {
			continue
		}
		calls[r.File]++
		at := r.At
		r.At = time.Time{}
		if ran[r] {
			x.Errorf("%s ran twice by one worker that had the item", r.File)
		}
		ran[r] = true
		if answered := acknowledged[r.File]; !answered.IsZero() && took[r.Handling].After(answered) {
			x.Errorf("%s ran at %s by a worker that took the item at %s, after its result was acknowledged at %s", r.File, at, took[r.Handling], answered)
		}
	}
	for _, times := range calls {
		found.again += times - 1
	}
	found.calls, found.handlings = len(calls), len(took)
	return found
}

// checkSession checks a session's log: every turn ended once, every use has one result, and what a tool wrote is there.
func (x *chaos) checkSession(session string, uses map[string]string, found *findings) {
	x.Helper()
	var types []string
	results := map[string]int{}
	messages, ends := 0, 0
	for event, err := range x.client.Sessions.Events.All(x.Context(), session, nil) {
		if err != nil {
			x.Fatal(err)
		}
		types = append(types, string(event.Type))
		switch v := event.Value.(type) {
		case client.UserMessageEvent:
			messages++
		case client.SessionStatusIdleEvent:
			if v.StopReason.Type != "requires_action" {
				ends++
			}
		case client.AgentToolUseEvent:
			input, err := json.Marshal(v.Input)
			if err != nil {
				x.Fatal(err)
			}
			uses[v.ID] = fileOf(input)
			results[v.ID] += 0
		case client.UserToolResultEvent:
			results[v.ToolUseID]++
			if v.IsError {
				break
			}
			if text, err := os.ReadFile(filepath.Join(x.folder, uses[v.ToolUseID])); err != nil || string(text) != "text of "+uses[v.ToolUseID] {
				x.Errorf("session %s: a tool wrote %s, which is %q, %v", session, uses[v.ToolUseID], text, err)
			}
		}
	}
	found.failed += checkTurns(x.T, session, types)
	found.turns += messages
	if messages != ends {
		x.Errorf("session %s: %d turns have %d ends", session, messages, ends)
	}
	for use, n := range results {
		if n != 1 {
			x.Errorf("session %s: the call for %s has %d results", session, uses[use], n)
		}
	}
}
