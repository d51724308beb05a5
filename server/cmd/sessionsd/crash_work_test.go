package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	workRounds = 3
	// workLong is the variable that replaces workRounds; `make test-cluster-long` sets it.
	workLong = "SESSIONSD_WORK_ROUNDS"
)

// TestWorkSurvivesCrashes kills the server while work items are at each of their steps: in the first round when the step
// has been acknowledged, in the others while its request is under way. The worker and the caller then repeat what had no
// response, as the official worker does, and go on: every turn ends once, and no message and no result is lost.
func TestWorkSurvivesCrashes(t *testing.T) {
	t.Parallel()
	rounds := int(number(t, workLong, workRounds))
	seed := number(t, crashSeed, uint64(time.Now().UnixNano()))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s=%d repeats the choices", crashSeed, seed)
		}
	})
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	script := filepath.Join(dir, "script.yaml")
	steps := `rules: [{steps: [{use: {tool: read, input: {file_path: a}}}, {say: "{{result}}"}]}]`
	if err := os.WriteFile(script, []byte(steps), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCaller(t)
	start := func() *served {
		s := serve(t, []string{"QODER_PAT=" + callerToken}, "--db", "sqlite:"+filepath.Join(dir, "sessions.db"), "--demo",
			"--runner", "script", "--script", script, "--work-lease", "1h")
		c.baseURL = s.baseURL
		return s
	}
	repeated, failed := 0, 0
	s := start()
	for round := range rounds {
		items := make([]*crashItem, len(itemSteps))
		for i := range items {
			items[i] = newCrashItem(c, fmt.Sprintf("r%d-i%d", round, i))
			for _, step := range itemSteps[:i] {
				if err := step.do(items[i]); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
			}
		}
		errs := make([]error, len(items))
		var calls sync.WaitGroup
		for i, item := range items {
			calls.Go(func() { errs[i] = itemSteps[i].do(item) })
		}
		if round == 0 {
			calls.Wait()
		} else {
			time.Sleep(time.Microsecond << random.IntN(16))
		}
		_ = s.Process.Kill()
		_ = s.Wait()
		calls.Wait()
		c.client.CloseIdleConnections()
		s = start()
		for i, item := range items {
			from := i + 1
			if errs[i] != nil {
				from, item.repeats = i, true
				repeated++
			}
			for _, step := range itemSteps[from:] {
				if err := step.do(item); err != nil {
					t.Fatalf("killed at %s: %s: %v", itemSteps[i].name, step.name, err)
				}
			}
			failed += item.check(itemSteps[i].name)
		}
	}
	t.Logf("%d items; %d requests had no response; %d turns failed, since the server was restarted", rounds*len(itemSteps), repeated, failed)
}

// crashItem is a work item of a session, its worker, and its caller, who sends one message.
type crashItem struct {
	*caller
	name, environment, key string
	session, work, token   string // once they are known
	message, use           string
	// messages counts the messages: the caller sends another one when the server was killed before the turn had asked for
	// the tool.
	messages     int
	acknowledged bool // the result
	repeats      bool // the next request may have had its effect
}

func newCrashItem(c *caller, name string) *crashItem {
	c.Helper()
	environment := c.must("POST", "/environments", `{"name":"own","config":{"type":"self_hosted"}}`)["id"].(string)
	key := c.must("POST", "/environments/"+environment+"/keys", `{"name":"k"}`)["key"].(string)
	return &crashItem{caller: c, name: name, environment: environment, key: key}
}

// itemSteps are what happens to an item, in order. Each may be repeated when it had no response.
var itemSteps = []struct {
	name string
	do   func(*crashItem) error
}{
	{"queued", (*crashItem).queued}, {"offered", (*crashItem).offered}, {"acknowledged", (*crashItem).acks}, {"heartbeat", (*crashItem).beats},
	{"asked", (*crashItem).asked}, {"result", (*crashItem).answers}, {"stopped", (*crashItem).stops},
}

// sends sends a request, and returns an error unless its status is 200 or 201, or one of also.
func (i *crashItem) sends(token, method, path, key, body string, also ...int) (map[string]any, error) {
	got, err := i.callAs(token, method, path, key, body)
	if err == nil && got.status/100 != 2 && !slices.Contains(also, got.status) {
		err = fmt.Errorf("%s %s: %d %v", method, path, got.status, got.body)
	}
	return got.body, err
}

func (i *crashItem) queued() error {
	agent, err := i.sends(callerToken, "POST", "/agents", i.name+"-agent", `{"name":"a","model":"ultimate","tools":[{"type":"agent_toolset_20260401"}]}`)
	if err != nil {
		return err
	}
	session, err := i.sends(callerToken, "POST", "/sessions", i.name+"-session", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent["id"], i.environment))
	if err == nil {
		i.session = session["id"].(string)
	}
	return err
}

func (i *crashItem) offered() error {
	item, err := i.sends(i.key, "GET", "/environments/"+i.environment+"/work/poll?reclaim_older_than_ms=0", "", "")
	if err != nil {
		return err
	}
	if item == nil {
		return errors.New("nothing was delivered")
	}
	raw, err := base64.RawURLEncoding.DecodeString(item["secret"].(string))
	if err != nil {
		return err
	}
	var secret struct {
		Token string `json:"sessions_token"`
	}
	if err := json.Unmarshal(raw, &secret); err != nil {
		return err
	}
	i.work, i.token = "/environments/"+i.environment+"/work/"+item["id"].(string), secret.Token
	return nil
}

func (i *crashItem) acks() error {
	_, err := i.sends(i.key, "POST", i.work+"/ack", "", "")
	return err
}

func (i *crashItem) beats() error {
	_, err := i.sends(i.token, "POST", i.work+"/heartbeat?expected_last_heartbeat=NO_HEARTBEAT", "", "")
	return err
}

// asked sends the message, and again where its turn was lost, until a use waits for its result.
func (i *crashItem) asked() error {
	for ; i.use == ""; i.messages++ {
		sent, err := i.sends(callerToken, "POST", "/sessions/"+i.session+"/events", fmt.Sprint(i.name, "-message-", i.messages), `{"events":[{"type":"user.message","content":"go"}]}`)
		if err != nil {
			return err
		}
		i.message = sent["data"].([]any)[0].(map[string]any)["id"].(string)
		log, err := i.settled()
		if err != nil {
			return err
		}
		reason := log[len(log)-1]["stop_reason"].(map[string]any)
		if waiting, ok := reason["event_ids"].([]any); ok {
			i.use = waiting[0].(string)
		} else if reason["type"] != "error" {
			return fmt.Errorf("the turn ended: %v", reason)
		}
	}
	return nil
}

// settled waits until no turn runs, and returns the log.
func (i *crashItem) settled() (log []map[string]any, err error) {
	for {
		session, err := i.sends(callerToken, "GET", "/sessions/"+i.session, "", "")
		if err != nil {
			return nil, err
		}
		if session["status"] == "idle" {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	page, err := i.sends(callerToken, "GET", "/sessions/"+i.session+"/events?limit=100", "", "")
	if err != nil {
		return nil, err
	}
	for _, e := range page["data"].([]any) {
		log = append(log, e.(map[string]any))
	}
	return log, nil
}

func (i *crashItem) answers() error {
	_, err := i.sends(i.token, "POST", "/sessions/"+i.session+"/events", "", fmt.Sprintf(`{"events":[{"type":"user.tool_result","tool_use_id":%q,"content":%q}]}`, i.use, i.name))
	i.acknowledged = err == nil
	return err
}

// stops stops the item when the turn has ended. A repeat of a stop that has had its effect finds the item stopped or the
// token ended.
func (i *crashItem) stops() error {
	if _, err := i.settled(); err != nil {
		return err
	}
	var also []int
	if i.repeats {
		also = []int{http.StatusConflict, http.StatusUnauthorized}
	}
	_, err := i.sends(i.token, "POST", i.work+"/stop", "", `{"force":true}`, also...)
	return err
}

// check asserts that nothing is lost, and that every turn ended once. It returns how many turns failed.
func (i *crashItem) check(killedAt string) (failed int) {
	i.Helper()
	log, err := i.settled()
	if err != nil {
		i.Fatal(err)
	}
	var types []string
	results, said := map[string][]string{}, false // by use
	for _, e := range log {
		types = append(types, e["type"].(string))
		said = said || e["id"] == i.message
		switch e["type"] {
		case "agent.tool_use":
			results[e["id"].(string)] = nil
		case "user.tool_result":
			use := e["tool_use_id"].(string)
			results[use] = append(results[use], e["content"].([]any)[0].(map[string]any)["text"].(string))
		}
	}
	failed = checkTurns(i.T, i.session, types)
	if diff := cmp.Diff([]string{i.name}, results[i.use]); diff != "" || !i.acknowledged || !said {
		i.Errorf("killed at %s: the message is there: %v; results: %s", killedAt, said, diff)
	}
	for use, texts := range results { // a turn that was lost while it ran has a failed one
		if len(texts) != 1 {
			i.Errorf("killed at %s: the use %s has the results %q", killedAt, use, texts)
		}
	}
	works := i.must("GET", "/environments/"+i.environment+"/work", "")["data"].([]any)
	for _, w := range works {
		if state := w.(map[string]any)["state"]; state != "stopped" {
			i.Errorf("killed at %s: an item of %d is %v", killedAt, len(works), state)
		}
	}
	return failed
}
