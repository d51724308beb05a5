package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // the driver "sqlite", to look into the file itself

	"github.com/cloud-sessions/sessions/server"
)

const (
	crashRounds  = 10
	crashWriters = 6
	crashTalkers = 4
	// crashSeed is the variable that repeats a run's random choices; the timing stays the machine's.
	crashSeed = "SESSIONSD_CRASH_SEED"
	// crashLong is the variable that replaces crashRounds; `make test-cluster-long` sets it.
	crashLong = "SESSIONSD_CRASH_ROUNDS"
)

// number is the value of an environment variable, or otherwise what it defaults to.
func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestNothingAcknowledgedIsLost kills the server under load, again and again on one file. After each
// restart, every acknowledged write is there as it was acknowledged; a write that was not, sent again with
// its key, takes effect once; every turn has ended once; every acknowledged message is in its session's log,
// in order; and the file is consistent.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	seed := number(t, crashSeed, uint64(time.Now().UnixNano()))
	rounds := int(number(t, crashLong, crashRounds))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s=%d repeats the choices", crashSeed, seed)
		}
	})
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	path, script := filepath.Join(dir, "sessions.db"), filepath.Join(dir, "script.yaml")
	steps := `rules: [{steps: [think, say: [a, b, c], wait: 3ms, say: d, usage: {output_tokens: 1}]}]`
	if err := os.WriteFile(script, []byte(steps), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &crash{caller: newCaller(t), objects: map[string]*crashObject{}, talks: map[string][]string{}}
	for round := 0; ; round++ {
		s := serve(t, []string{"QODER_PAT=" + callerToken}, "--db", "sqlite:"+path, "--demo", "--runner", "script", "--script", script)
		c.baseURL = s.baseURL
		c.sendAgain()
		c.checkObjects(round == rounds)
		c.checkTalks()
		c.checkFile(path)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
		if round == rounds {
			break
		}
		for len(c.talks) < crashTalkers {
			c.talks[c.session(`"title":"talk"`)] = nil
		}
		c.load(round, seed, 1+random.Int64N(2*crashTalkers), func() {
			time.Sleep(time.Duration(5_000+random.IntN(55_000)) * time.Microsecond)
			_ = s.Process.Kill()
			_ = s.Wait()
		})
	}
	t.Logf("%d writes to %d objects; %d had no response, of which %d had taken effect; %d turns were interrupted",
		c.writes, len(c.objects), c.unanswered, c.replayed, c.interrupted)
	if c.writes-c.unanswered < rounds || c.unanswered < rounds || c.interrupted == 0 {
		t.Error("too little was under way for this test to mean anything")
	}
}

// load has all callers call until the server is gone, and runs kill once a write and so many messages are acknowledged: turns
// are under way by then, however slow the machine is.
func (c *crash) load(round int, seed uint64, messages int64, kill func()) {
	written, said := make(chan struct{}), make(chan struct{})
	var left atomic.Int64
	left.Store(messages)
	onWrite, onMessage := sync.OnceFunc(func() { close(written) }), func() {
		if left.Add(-1) == 0 {
			close(said)
		}
	}
	var callers sync.WaitGroup
	for i := range crashWriters {
		own := rand.New(rand.NewPCG(seed, uint64(1+round*crashWriters+i)))
		callers.Go(func() { c.write(own, fmt.Sprintf("r%d-w%d", round, i), onWrite) })
	}
	for _, session := range slices.Collect(maps.Keys(c.talks)) { // which the talks write to
		callers.Go(func() { c.talk(session, onMessage) })
	}
	patience, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	defer cancel()
	for _, acknowledged := range []chan struct{}{written, said} {
		select {
		case <-acknowledged:
		case <-patience.Done():
			c.Error("nothing is acknowledged")
		}
	}
	kill()
	callers.Wait()
	c.client.CloseIdleConnections()
}

// crash is what the clients know of a server that is killed again and again.
type crash struct {
	*caller

	mu      sync.Mutex
	objects map[string]*crashObject // agents and sessions by id
	lost    []crashWrite            // sent, without a response
	talks   map[string][]string     // the ids of acknowledged messages, by their sessions, which objects leaves out
	// writes are those that were acknowledged, unanswered those that were not at first, replayed those of
	// them that turned out to have taken effect.
	writes, unanswered, replayed int
	// interrupted are the turns that a crash ended.
	interrupted int
}

// crashObject is an agent or a session as it was last acknowledged.
type crashObject struct {
	collection string // agents or sessions
	body       map[string]any
	checked    bool // since it was acknowledged
}

// crashWrite is a write. Its key is also the name of its object.
type crashWrite struct{ path, key, body string }

// collection is the first part of the path, which is all of it for creates.
func (w crashWrite) collection() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(w.path, "/"), "/")
	return name
}

// write creates and changes agents and sessions until the server is gone, and calls answered after each
// response. No other caller changes them.
func (c *crash) write(random *rand.Rand, name string, answered func()) {
	var agents, own []string
	for n := 0; ; n++ {
		w := crashWrite{key: fmt.Sprintf("%s-%d", name, n)}
		switch pick := random.IntN(10); {
		case len(agents) == 0 || pick == 0:
			w.path, w.body = "/agents", fmt.Sprintf(`{"name":%q,"model":"ultimate"}`, w.key)
		case pick < 7:
			w.path = "/sessions"
			w.body = fmt.Sprintf(`{"agent":%q,"environment_id":%q,"title":%q}`, agents[random.IntN(len(agents))], server.DemoEnvironment, w.key)
		default:
			id := own[random.IntN(len(own))]
			object := c.object(id)
			w.path, w.body = "/"+object.collection+"/"+id, fmt.Sprintf(`{"title":%q}`, w.key)
			if object.collection == "agents" {
				w.body = fmt.Sprintf(`{"version":%v,"name":%q}`, object.body["version"], w.key)
			}
		}
		got, err := c.call(http.MethodPost, w.path, w.key, w.body)
		if err != nil {
			c.mu.Lock()
			c.lost = append(c.lost, w)
			c.mu.Unlock()
			return
		}
		if got.status != http.StatusOK && got.status != http.StatusCreated {
			c.Errorf("POST %s %s: %d %v", w.path, w.body, got.status, got.body)
			return
		}
		id := c.acknowledged(w, got.body)
		answered()
		if got.status == http.StatusCreated {
			own = append(own, id)
			if w.path == "/agents" {
				agents = append(agents, id)
			}
		}
	}
}

func (c *crash) object(id string) crashObject {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.objects[id]
}

// talk sends messages to a session until the server is gone, and calls answered after each one that is acknowledged.
func (c *crash) talk(session string, answered func()) {
	for {
		got, err := c.call(http.MethodPost, "/sessions/"+session+"/events", "", `{"events":[{"type":"user.message","content":"Hi"}]}`)
		switch {
		case err != nil:
			return
		case got.status == http.StatusOK:
			c.mu.Lock()
			c.talks[session] = append(c.talks[session], got.body["data"].([]any)[0].(map[string]any)["id"].(string))
			c.mu.Unlock()
			answered()
		case got.status != http.StatusConflict: // which a session with a turn under way responds
			c.Errorf("%d %v", got.status, got.body)
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// acknowledged records the response to a write, and returns the object's id.
func (c *crash) acknowledged(w crashWrite, response map[string]any) string {
	id, _ := response["id"].(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.objects[id] = &crashObject{collection: w.collection(), body: response}
	return id
}

// sendAgain sends every write without a response twice: the second time nothing may happen except the same response.
func (c *crash) sendAgain() {
	for _, w := range c.lost {
		got, err := c.call(http.MethodPost, w.path, w.key, w.body)
		if err != nil || got.status/100 != 2 {
			c.Errorf("again POST %s %s: %d %v, %v", w.path, w.body, got.status, got.body, err)
			continue
		}
		c.unanswered++
		if got.replayed {
			c.replayed++
		}
		c.acknowledged(w, got.body)
		if second, err := c.call(http.MethodPost, w.path, w.key, w.body); err != nil || !second.replayed || !cmp.Equal(got.body, second.body) {
			c.Errorf("a third POST %s: replayed %v, %v: %s", w.path, second.replayed, err, cmp.Diff(got.body, second.body))
		}
	}
	c.lost = nil
}

// checkObjects reads what was acknowledged since it was last checked, or everything.
func (c *crash) checkObjects(everything bool) {
	for id, object := range c.objects {
		if object.checked && !everything {
			continue
		}
		object.checked = true
		got, err := c.call(http.MethodGet, "/"+object.collection+"/"+id, "", "")
		if err != nil || got.status != http.StatusOK {
			c.Errorf("GET %s %s, which was acknowledged: %d %v", object.collection, id, got.status, err)
		} else if diff := cmp.Diff(object.body, got.body); diff != "" {
			c.Errorf("%s %s is not what was acknowledged: %s", object.collection, id, diff)
		}
	}
}

// checkTalks waits for the end of every turn, and checks that each ended once and that no message is missing.
func (c *crash) checkTalks() {
	c.interrupted = 0
	for session, messages := range c.talks {
		c.idle(session)
		ids, types := c.events(session)
		c.interrupted += checkTurns(c.T, session, types)
		at := 0
		for _, id := range ids {
			if at < len(messages) && id == messages[at] {
				at++
			}
		}
		if at != len(messages) {
			c.Errorf("message %s of session %s was acknowledged and is gone", messages[at], session)
		}
	}
}

// checkFile looks into the file, while nothing is under way.
func (c *crash) checkFile(path string) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(on)")
	if err != nil {
		c.Fatal(err)
	}
	defer db.Close()
	for query, want := range map[string][]string{
		`PRAGMA integrity_check`:                       {"ok"},
		`SELECT "table" FROM pragma_foreign_key_check`: nil,
		// What the foreign keys say, said again: a session has its agent's version and its environment.
		`SELECT s.id FROM sessions s
			LEFT JOIN agent_versions v ON v.account_id = s.account_id AND v.agent_id = s.agent_id AND v.version = s.agent_version
			LEFT JOIN environments e ON e.account_id = s.account_id AND e.id = s.environment_id
			WHERE v.agent_id IS NULL OR e.id IS NULL`: nil,
		`SELECT a.id FROM agents a WHERE a.version <>
			(SELECT count(*) FROM agent_versions v WHERE v.account_id = a.account_id AND v.agent_id = a.id)`: nil,
		`SELECT title FROM sessions WHERE title <> 'talk' GROUP BY title HAVING count(*) > 1`:    nil,
		`SELECT id FROM sessions WHERE title <> 'talk' ORDER BY id`:                              c.ids("sessions"),
		`SELECT id FROM agents WHERE id <> '` + server.DemoAgent + `' ORDER BY id`:               c.ids("agents"),
		`SELECT key FROM idempotency_keys WHERE status IS NULL`:                                  nil,
		`SELECT count(*) FROM idempotency_keys`:                                                  {strconv.Itoa(c.writes)},
		`SELECT name FROM agent_versions WHERE name LIKE 'r%' GROUP BY name HAVING count(*) > 1`: nil,
	} {
		if diff := cmp.Diff(want, column(c.T, db, query)); diff != "" {
			c.Errorf("%s: %s", query, diff)
		}
	}
}

// ids returns the ids that were acknowledged, sorted.
func (c *crash) ids(collection string) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(c.objects)) {
		if c.objects[id].collection == collection {
			ids = append(ids, id)
		}
	}
	return ids
}

// column returns the one column of what a query yields, as text.
func column(t *testing.T, db *sql.DB, query string) (values []string) {
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return values
}
