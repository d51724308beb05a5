package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

// eventID is the id of an event in an error text.
var eventID = regexp.MustCompile(`evt_[0-9a-f]{32}`)

// latest is the id of the latest event of a type.
func latest(t *testing.T, api, session, kind string) string {
	t.Helper()
	ids := strings.Fields(ok(t, api, "events", session, "--type", kind, "--order", "desc", "--limit", "1", "-o", "id"))
	if len(ids) != 1 {
		t.Fatalf("no %s in %s", kind, session)
	}
	return ids[0]
}

// Send prints what the agent says, and nothing else; what became of the turn is in the exit code.
func TestSend(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	for _, tc := range []struct {
		name string
		args []string // USE stands for the latest use of a tool
		out  string
		said string
		code int
	}{
		{"an answer", []string{"hello"}, "I have no answer to: hello\n", "", exitOK},
		{"a tool to run", []string{"weather?"}, "Let me look outside.\n",
			`the agent is waiting: for the result of get_weather {"city":"Oslo","days":1}; send --result evt_…=TEXT`, exitFailure},
		{"its result", []string{"--result", "USE=snow=ice"}, "The weather: snow=ice.\n", "", exitOK},
		{"its result, twice", []string{"--result", "USE=snow"}, "",
			"'custom_tool_use_id' is not the id of an agent.custom_tool_use that waits for a user.custom_tool_result; change --result (400 invalid_request_error, request id …)", exitUsage},
		{"a tool to allow", []string{"delete build"}, "",
			`the agent is waiting: to use Bash {"command":"rm -r build"}; send --allow evt_… or --deny evt_…`, exitFailure},
		{"allowed", []string{"--allow", "ASK"}, "Done.\n", "", exitOK},
		{"another to allow", []string{"delete build"}, "",
			`the agent is waiting: to use Bash {"command":"rm -r build"}; send --allow evt_… or --deny evt_…`, exitFailure},
		{"denied", []string{"--deny", "ASK=not now"}, "I leave it, as you say: not now.\n", "", exitOK},
		{"cut short", []string{"be verbose"}, "And so on, and\n", "", exitOK},
		{"failed", []string{"fail"}, "", "the model is overloaded\nsessions: the turn failed", exitFailure},
		{"from standard input", []string{"-"}, "I have no answer to: line 1\nline 2\n\n", "", exitOK},
		{"from a file", []string{"-f", "events.yaml"}, "I have no answer to: from a file\n", "", exitOK},
		{"nothing", nil, "", "nothing to send: add a MESSAGE; see 'sessions send --help'", exitUsage},
		{"no text", []string{""}, "",
			"Field 'events[0].content[0].text' must be a string of 1 to 1000000 characters; change the argument MESSAGE (400 invalid_request_error, request id …)", exitUsage},
		{"no events in the file", []string{"-f", "other.yaml"}, "", "events is missing; give --allow and --deny and --result, or --file", exitUsage},
	} {
		for i, arg := range tc.args {
			if strings.Contains(arg, "USE") {
				tc.args[i] = strings.Replace(arg, "USE", latest(t, api, session, "agent.custom_tool_use"), 1)
			}
			if strings.Contains(arg, "ASK") {
				tc.args[i] = strings.Replace(arg, "ASK", latest(t, api, session, "agent.tool_use"), 1)
			}
		}
		p := prepare(t, api, append([]string{"send", session}, tc.args...)...)
		p.Stdin = strings.NewReader("line 1\nline 2\n")
		for name, content := range map[string]string{"events.yaml": "events: [{type: user.message, content: from a file}]", "other.yaml": "event: []"} {
			if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code := p.end(t)
		if code != tc.code || p.out.String() != tc.out {
			t.Errorf("%s: exit code %d, %q", tc.name, code, &p.out)
		}
		if got := strings.TrimPrefix(strings.TrimSuffix(eventID.ReplaceAllString(p.said(), "evt_…"), "\n"), "sessions: "); got != tc.said {
			t.Errorf("%s: said\n%s\nwant\n%s", tc.name, got, tc.said)
		}
	}
}

// With a form, send prints the events of the turn, as one document or as they come; without waiting, those it sent.
func TestSendInOtherForms(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	types := func(out string) (types []string) {
		t.Helper()
		var events []struct{ Type string }
		if err := json.Unmarshal([]byte(out), &events); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, e := range events {
			types = append(types, string(e.Type))
		}
		return types
	}
	want := []string{"span.model_request_start", "agent.message", "span.model_request_end", "session.status_idle"}
	if diff := cmp.Diff(want, types(ok(t, api, "send", session, "hello", "-o", "json"))); diff != "" {
		t.Error(diff)
	}
	if got := ok(t, api, "send", session, "hello", "-o", "jsonl"); strings.Count(got, "\n") != len(want) {
		t.Errorf("jsonl: %s", got)
	}
	if got := ok(t, api, "send", session, "hello", "-o", "id"); len(eventID.FindAllString(got, -1)) != len(want) {
		t.Errorf("id: %s", got)
	}
	if diff := cmp.Diff([]string{"user.message"}, types(ok(t, api, "send", session, "hello", "--no-wait"))); diff != "" {
		t.Error(diff)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	ok(t, api, "send", session, "hello")
	const id, when = `evt_[0-9a-f]{32}`, `\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`
	want := "TIME {18}ID {36}TYPE {24}WHAT\n"
	for _, row := range []string{
		"session.status_running", "user.message                hello", "span.model_request_start    ultimate",
		"agent.message               I have no answer to: hello", "span.model_request_end      0 tokens in, 0 out", "session.status_idle         end_turn",
	} {
		want += when + "  " + id + "  " + row + "\n"
	}
	if got := ok(t, api, "events", session, "-o", "table"); !regexp.MustCompile("^" + want + "$").MatchString(got) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := ok(t, api, "events", session, "--created-before", "1h"); got != "[]\n" {
		t.Errorf("before the first: %s", got)
	}
	p := prepare(t, api, "events", session, "--type", "No Type")
	if code := p.end(t); code != exitUsage || !strings.Contains(p.said(), "change --type") {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

// Tail prints the latest events, then those that happen, and ends with the session.
func TestTail(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	ok(t, api, "send", session, "hello")
	p := prepare(t, api, "tail", session, "--lines", "2", "--deltas")
	p.Stdout = nil
	out := p.start(t, p.StdoutPipe)
	lines := bufio.NewReader(out)
	next := func() string {
		t.Helper()
		line, err := lines.ReadString('\n')
		var event struct{ Type string }
		if err != nil || json.Unmarshal([]byte(line), &event) != nil {
			t.Fatalf("%v: %s", err, line)
		}
		return event.Type
	}
	if got := []string{next(), next()}; !cmp.Equal(got, []string{"span.model_request_end", "session.status_idle"}) {
		t.Errorf("the latest: %v", got)
	}
	ok(t, api, "send", session, "hello")
	seen := map[string]int{}
	for seen["session.status_idle"] == 0 {
		seen[next()]++
	}
	if seen["user.message"] != 1 || seen["agent.message"] != 1 {
		t.Errorf("then: %v", seen)
	}
	ok(t, api, "delete", session)
	if got := next(); got != "session.deleted" {
		t.Errorf("at last: %s", got)
	}
	if code := p.end(t); code != exitOK {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

func TestTailFromAnywhere(t *testing.T) {
	t.Parallel()
	end := `{"id":"evt_9","type":"session.deleted"}`
	api := serve(t, answerStream(
		`id: evt_1`, `data: {"id":"evt_1","type":"user.message","content":[{"type":"text","text":"a"}]}`, ``, `id: evt_9`, `data: `+end, ``, ``))
	if got := ok(t, api, "tail", "sess_1", "--all", "-o", "id"); got != "evt_1\nevt_9\n" {
		t.Errorf("%s", got)
	}
	if got := ok(t, api, "tail", "sess_1", "--after", "evt_1"); got != end+"\n" {
		t.Errorf("%s", got)
	}
	p := prepare(t, demo(t), "tail", "sess_1", "--after", "evt_1", "--all")
	if code := p.end(t); code != exitUsage || p.said() != "sessions: --after and --all exclude each other; see 'sessions tail --help'\n" {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
	p = prepare(t, demo(t), "tail", "sess_1", "-n", "101")
	if code := p.end(t); code != exitUsage || p.said() != "sessions: --lines must be from 0 to 100\n" {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

// In a pipe each line is a message, and a turn that does not end well ends the conversation.
func TestChatInAPipe(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	p := prepare(t, api, "chat", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment)
	p.Stdin = strings.NewReader("hello\n\nbe verbose\r\nbye")
	if code := p.end(t); code != exitOK || p.out.String() != "I have no answer to: hello\nAnd so on, and\nI have no answer to: bye\n" {
		t.Errorf("exit code %d, %s%s", code, &p.out, &p.err)
	}
	session := strings.TrimSpace(p.err.String())
	p = prepare(t, api, "chat", session)
	p.Stdin = strings.NewReader("weather\nnever said\n")
	if code := p.end(t); code != exitFailure || p.out.String() != "Let me look outside.\n" || !strings.HasPrefix(p.said(), "sessions: the agent is waiting: ") {
		t.Errorf("exit code %d, %s%s", code, &p.out, &p.err)
	}
	for _, args := range [][]string{{"chat"}, {"chat", session, "--agent", "agent_1", "--environment", "env_1"}} {
		p := prepare(t, api, args...)
		if code := p.end(t); code != exitUsage || p.said() != "sessions: use 'sessions chat SESSION', or 'sessions chat --agent ID --environment ID' for a new session; "+
			"'sessions list', 'sessions agents list' and 'sessions environments list' show the ids\n" {
			t.Errorf("%s: exit code %d, %s", args, code, &p.err)
		}
	}
}
