package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// clusterToken is the demo account's, on every replica.
const clusterToken = "pt-cluster"

// cluster is processes of the program on one PostgreSQL database.
type cluster struct {
	*testing.T
	database string
	args     []string
	env      []string // in addition
	replicas []*served
	balancer *balancer
}

// startCluster starts replicas, all at once, on an empty database.
func startCluster(t *testing.T, replicas int, args ...string) *cluster {
	t.Helper()
	return startClusterOn(t, pgtest.NewDatabase(t), replicas, args...)
}

// startClusterOn is startCluster for a database; on SQLite there is one replica.
func startClusterOn(t *testing.T, database string, replicas int, args ...string) *cluster {
	t.Helper()
	return (&cluster{T: t, database: database, args: args}).start(replicas)
}

// startTracedCluster starts two replicas, with a worker each, that send their spans to a collector.
func startTracedCluster(t *testing.T, to *collector) *cluster {
	t.Helper()
	return (&cluster{T: t, database: pgtest.NewDatabase(t), args: []string{"--workers", "1", "--echo-delay", "20ms"}, env: to.environment()}).start(2)
}

func (c *cluster) start(replicas int) *cluster {
	c.Helper()
	c.args = append([]string{"--demo", "--log-format", "json"}, c.args...)
	c.balancer = &balancer{addresses: make([]string, replicas), web: &http.Transport{MaxIdleConnsPerHost: 20}}
	c.Cleanup(c.balancer.web.CloseIdleConnections)
	for range replicas {
		c.replicas = append(c.replicas, c.launch())
	}
	for i := range c.replicas {
		c.join(i)
	}
	return c
}

func (c *cluster) launch() *served {
	c.Helper()
	return launch(c.T, append([]string{"QODER_PAT=" + clusterToken, "SESSIONSD_DB=" + c.database}, c.env...), c.args...)
}

// join sends a replica requests once it serves.
func (c *cluster) join(i int) {
	c.Helper()
	c.replicas[i].listens(c.T)
	c.balancer.set(i, strings.TrimPrefix(c.replicas[i].baseURL, "http://"))
}

// restart puts a new process in the place of one that has ended.
func (c *cluster) restart(i int) {
	c.Helper()
	c.balancer.set(i, "")
	c.replicas[i] = c.launch()
	c.join(i)
}

// at is a client of one replica.
func (c *cluster) at(i int) *client.Client {
	c.Helper()
	return c.client(client.WithBaseURL(c.replicas[i].baseURL + "/v1"))
}

// everywhere is a client of all replicas, round robin.
func (c *cluster) everywhere(opts ...client.Option) *client.Client {
	c.Helper()
	return c.client(append(opts, client.WithBaseURL("http://cluster/v1"), client.WithHTTPClient(&http.Client{Transport: c.balancer}))...)
}

func (c *cluster) client(opts ...client.Option) *client.Client {
	c.Helper()
	made, err := client.New(append(opts, client.WithToken(clusterToken))...)
	if err != nil {
		c.Fatal(err)
	}
	return made
}

// wait waits until done reports true.
func (c *cluster) wait(what string, done func() bool) {
	c.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("never: %s", what)
		}
	}
}

// works reports whether a replica runs a turn.
func (c *cluster) works(i int) bool {
	c.Helper()
	text := scrape(c.T, c.replicas[i].baseURL)
	return strings.Contains(text, "sessions_running_turns ") && !strings.Contains(text, "sessions_running_turns 0\n")
}

// balancer sends each request to the next replica. It leaves out a replica that accepts no connections and, if heed is
// set, one whose /readyz is red.
type balancer struct {
	web  *http.Transport
	heed bool

	mu        sync.Mutex
	addresses []string // "" for none
	next      int
}

func (b *balancer) set(i int, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses[i] = address
}

// order is the replicas in the order to try them in.
func (b *balancer) order() (addresses []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	for i := range b.addresses {
		if address := b.addresses[(b.next+i)%len(b.addresses)]; address != "" {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(req *http.Request) (res *http.Response, err error) {
	err = errors.New("no replica is ready")
	for _, address := range b.order() {
		if b.heed && !b.ready(req, address) {
			continue
		}
		attempt := req.Clone(req.Context())
		attempt.URL.Host, attempt.Host = address, address
		if req.GetBody != nil {
			if attempt.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		if res, err = b.web.RoundTrip(attempt); !errors.Is(err, syscall.ECONNREFUSED) {
			return res, err
		}
	}
	return nil, err
}

func (b *balancer) ready(req *http.Request, address string) bool {
	ask, err := http.NewRequestWithContext(req.Context(), http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := b.web.RoundTrip(ask)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// newSession is the request that creates every session here.
func newSession() *client.CreateSessionRequest {
	return &client.CreateSessionRequest{Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment}
}

// load is callers that create sessions and run turns in them until it ends, and what they have received.
type load struct {
	*testing.T
	size    int // callers
	stop    chan struct{}
	callers sync.WaitGroup

	mu    sync.Mutex
	turns map[string][][]string // for each session, the ids of the events of each turn
}

// load starts callers. None of their calls may fail.
func (c *cluster) load(callers int, cl *client.Client) *load {
	l := &load{T: c.T, size: callers, stop: make(chan struct{}), turns: map[string][][]string{}}
	for range callers {
		l.callers.Go(func() {
			for l.goesOn() && l.session(cl) == nil {
			}
		})
	}
	c.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.callers.Wait()
}

func (l *load) goesOn() bool {
	select {
	case <-l.stop:
		return false
	default:
		return true
	}
}

// finished counts the turns whose end a caller has read.
func (l *load) finished() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, turns := range l.turns {
		n += len(turns)
	}
	return n
}

// session creates a session, runs turns in it and reads what others read.
func (l *load) session(cl *client.Client) (err error) {
	defer func() {
		if err != nil {
			l.Error(err)
		}
	}()
	ctx := l.Context()
	session, err := cl.Sessions.Create(ctx, newSession())
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.turns[session.ID] = nil
	l.mu.Unlock()
	for n := 0; n < 3 && l.goesOn(); n++ {
		var ids []string
		for event, err := range cl.Sessions.Run(ctx, session.ID, "one two three four five six seven eight nine ten", nil) {
			if err != nil {
				return fmt.Errorf("session %s, turn %d: %w", session.ID, n, err)
			}
			ids = append(ids, event.ID)
		}
		l.mu.Lock()
		l.turns[session.ID] = append(l.turns[session.ID], ids)
		l.mu.Unlock()
		if _, err := cl.Sessions.Get(ctx, session.ID); err != nil {
			return err
		}
		if _, err := cl.Sessions.List(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// check ends the load and compares what its callers received with what is stored: every session and every event is
// there once, and every turn has ended once. It returns how many turns there were, and how often one was handed over to
// another worker.
func (l *load) check(cl *client.Client) (turns, handedOver int) {
	l.Helper()
	l.end()
	ctx := l.Context()
	stored := map[string]int{}
	for session, err := range cl.Sessions.All(ctx, nil) {
		if err != nil {
			l.Fatal(err)
		}
		stored[session.ID]++
	}
	for id, told := range l.turns {
		if stored[id] != 1 {
			l.Errorf("session %s is listed %d times", id, stored[id])
		}
		delete(stored, id)
		answers, again := l.answers(cl, id)
		if diff := cmp.Diff(told, answers); diff != "" && len(told)+len(answers) > 0 {
			l.Errorf("session %s (-told, +stored):\n%s", id, diff)
		}
		turns, handedOver = turns+len(told), handedOver+again
	}
	for id := range stored {
		l.Errorf("session %s was created, and no caller received it", id)
	}
	return turns, handedOver
}

// answers reads, for each turn of a session, the ids of the events after its message.
func (l *load) answers(cl *client.Client, session string) (answers [][]string, handedOver int) {
	l.Helper()
	var types []string
	seen, turn := map[string]bool{}, ""
	for event, err := range cl.Sessions.Events.All(l.Context(), session, nil) {
		if err != nil {
			l.Fatal(err)
		}
		types = append(types, string(event.Type))
		if seen[event.ID] {
			l.Errorf("session %s: %s is there twice", session, event.ID)
		}
		seen[event.ID] = true
		switch {
		case event.Type == "session.status_running":
			turn = event.TurnID
		case event.Type == "user.message":
			answers = append(answers, nil)
		case len(answers) > 0:
			answers[len(answers)-1] = append(answers[len(answers)-1], event.ID)
		}
		if event.TurnID != turn {
			l.Errorf("session %s: %s of turn %s within %s", session, event.Type, event.TurnID, turn)
		}
		if event.Type == "session.status_rescheduled" {
			handedOver++
		}
	}
	if failed := checkTurns(l.T, session, types); failed > 0 {
		l.Errorf("session %s: %d turns failed", session, failed)
	}
	return answers, handedOver
}
