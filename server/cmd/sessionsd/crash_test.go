package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // the driver "sqlite", to look into the file itself

	"github.com/cloud-sessions/sessions/server"
)

const (
	crashRounds  = 50
	crashWriters = 6
	// crashSeed is the variable that repeats a run's random choices; the timing stays the machine's.
	crashSeed = "SESSIONSD_CRASH_SEED"
)

// TestNothingAcknowledgedIsLost kills the server under load, over and over on one file. After each
// restart, what was acknowledged is there as it was acknowledged; a write that was not, sent again with
// its key, takes effect once; and the file is whole.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(crashSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s=%d repeats the choices", crashSeed, seed)
		}
	})
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "sessions.db")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crashWriters}}
	c := &crash{T: t, client: client, objects: map[string]*crashObject{}}
	for round := 0; ; round++ {
		s := serve(t, []string{"QODER_PAT=pt-crash"}, "--db", "sqlite:"+path, "--demo")
		c.baseURL = s.baseURL + "/v1"
		c.sendAgain()
		c.checkObjects(round == crashRounds)
		c.checkFile(path)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
		if round == crashRounds {
			break
		}
		busy := make(chan struct{})
		answered := sync.OnceFunc(func() { close(busy) })
		var writers sync.WaitGroup
		for i := range crashWriters {
			own := rand.New(rand.NewPCG(seed, uint64(1+round*crashWriters+i)))
			writers.Go(func() { c.write(own, fmt.Sprintf("r%d-w%d", round, i), answered) })
		}
		select {
		case <-busy:
			time.Sleep(time.Duration(5_000+random.IntN(55_000)) * time.Microsecond)
		case <-time.After(20 * time.Second):
			t.Error("nothing is answered")
		}
		_ = s.Process.Kill()
		_ = s.Wait()
		writers.Wait()
		c.client.CloseIdleConnections()
	}
	t.Logf("%d writes to %d objects; %d had no answer, of which %d had taken effect", c.writes, len(c.objects), c.unanswered, c.replayed)
	if c.writes-c.unanswered < crashRounds || c.unanswered < crashRounds {
		t.Error("too little was under way for this test to mean anything")
	}
}

// crash is what the clients know of a server that is killed again and again.
type crash struct {
	*testing.T
	client  *http.Client
	baseURL string // of the server as it runs now

	mu      sync.Mutex
	objects map[string]*crashObject // agents and sessions by id
	lost    []crashWrite            // sent and not answered
	// writes are those that were acknowledged, unanswered those that were not at first, replayed those of
	// them that turned out to have taken effect.
	writes, unanswered, replayed int
}

// crashObject is an agent or a session as it was last acknowledged.
type crashObject struct {
	collection string // agents or sessions
	body       map[string]any
	checked    bool // since it was acknowledged
}

// crashWrite is a write. Its key is its object's name, too.
type crashWrite struct{ path, key, body string }

// collection is the first part of the path, which is all of it for creates.
func (w crashWrite) collection() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(w.path, "/"), "/")
	return name
}

// send makes a request; an error means that there was no whole answer.
func (c *crash) send(method string, w crashWrite) (status int, replayed bool, answer map[string]any, err error) {
	req, err := http.NewRequestWithContext(c.Context(), method, c.baseURL+w.path, strings.NewReader(w.body))
	if err != nil {
		return 0, false, nil, err
	}
	req.GetBody = nil // the transport would send it again by itself
	req.Header.Set("Authorization", "Bearer pt-crash")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", w.key)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0, false, nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	return res.StatusCode, res.Header.Get("Idempotent-Replayed") == "true", answer, err
}

// write makes and changes agents and sessions until the server is gone, and calls answered with each
// answer. Nobody else changes them.
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
		status, _, answer, err := c.send(http.MethodPost, w)
		if err != nil {
			c.mu.Lock()
			c.lost = append(c.lost, w)
			c.mu.Unlock()
			return
		}
		if status != http.StatusOK && status != http.StatusCreated {
			c.Errorf("POST %s %s: %d %v", w.path, w.body, status, answer)
			return
		}
		id := c.acknowledged(w, answer)
		answered()
		if status == http.StatusCreated {
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

// acknowledged notes what a write was answered with, and returns the object's id.
func (c *crash) acknowledged(w crashWrite, answer map[string]any) string {
	id, _ := answer["id"].(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.objects[id] = &crashObject{collection: w.collection(), body: answer}
	return id
}

// sendAgain sends what had no answer, twice: the second time nothing may happen but the same answer.
func (c *crash) sendAgain() {
	for _, w := range c.lost {
		status, replayed, answer, err := c.send(http.MethodPost, w)
		if err != nil || status/100 != 2 {
			c.Errorf("again POST %s %s: %d %v, %v", w.path, w.body, status, answer, err)
			continue
		}
		c.unanswered++
		if replayed {
			c.replayed++
		}
		c.acknowledged(w, answer)
		if _, replayed, second, err := c.send(http.MethodPost, w); err != nil || !replayed || !cmp.Equal(answer, second) {
			c.Errorf("a third POST %s: replayed %v, %v: %s", w.path, replayed, err, cmp.Diff(answer, second))
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
		status, _, got, err := c.send(http.MethodGet, crashWrite{path: "/" + object.collection + "/" + id})
		if err != nil || status != http.StatusOK {
			c.Errorf("GET %s %s, which was acknowledged: %d %v", object.collection, id, status, err)
		} else if diff := cmp.Diff(object.body, got); diff != "" {
			c.Errorf("%s %s is not what was acknowledged: %s", object.collection, id, diff)
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
		`SELECT title FROM sessions GROUP BY title HAVING count(*) > 1`:                          nil,
		`SELECT id FROM sessions ORDER BY id`:                                                    c.ids("sessions"),
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
