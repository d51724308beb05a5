//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// hostile is what a server would send to act on a terminal: sequences of C0 and of C1, line and page controls, and
// characters that reverse the direction of text or are not shown.
const hostile = "owned\x1b[2J\x1b[31m\x1b]0;title\x07\u009b31m\u0085\r\b\x7f\v\f\u202egnp.exe\u2066\u200f\u061c\ufeff\u200b\u00ad\u2028\u2029\U000E0041"

// hostileServer sends hostile text wherever the contract has text: as records, or as errors where fail is set.
func hostileServer(t *testing.T, fail bool) string {
	t.Helper()
	text := func(s string) string {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	}
	h := text(hostile)
	const created = `"created_at":"2026-05-18T15:26:15Z","updated_at":"2026-05-18T15:26:15Z"`
	event := func(id, fields string) string {
		return `{"id":` + text(id+hostile) + `,"session_id":` + h + `,"turn_id":` + h + `,"schema_version":"1.0",` + created + `,` + fields + `}`
	}
	events := []string{
		strings.Replace(event("", `"type":"user.message","content":[{"type":"text","text":`+h+`}]`), h, `"evt_1"`, 1), // a cursor, so that the stream is read
		event("evt_2", `"type":"agent.message","content":[{"type":"text","text":`+h+`}]`),
		event("evt_3", `"type":"agent.tool_use","name":`+h+`,"input":{`+h+`:`+h+`}`),
		event("evt_4", `"type":"agent.custom_tool_use","name":`+h+`,"input":{`+h+`:`+h+`}`),
		event("evt_5", `"type":"agent.tool_result","tool_use_id":`+h+`,"is_error":true,"content":[{"type":"text","text":`+h+`}]`),
		event("evt_6", `"type":"session.error","error":{"type":`+h+`,"message":`+h+`}`),
		event("evt_7", `"type":`+h),
		event("evt_8", `"type":"session.status_idle","stop_reason":{"type":"requires_action","event_ids":[`+text("evt_3"+hostile)+`,`+text("evt_4"+hostile)+`,`+h+`]}`),
	}
	fields := `"id":` + h + `,"type":` + h + `,"name":` + h + `,"title":` + h + `,"status":` + h + `,"description":` + h + `,"model":` + h +
		`,"instructions":` + h + `,"system":` + h + `,"agent_id":` + h + `,"environment_id":` + h + `,"metadata":{` + h + `:` + h + `},"file_id":` + h + `,"path":` + h +
		`,"credential_id":` + h + `,"mount_path":` + h + `,"version":1,"tools":[],"config":{"type":"cloud"},"environment_variables":{` + h + `:` + h + `},` + created
	record := `{` + fields + `,"agent":{` + fields + `},"resources":[{` + fields + `}]`
	body := record + `,"has_more":true,"first_id":` + h + `,"last_id":` + h + `,"next_page":null,"data":[` + record + `},` + record + `}]}`
	envelope := `{"type":"error","error":{"type":"conflict_error","message":` + h + `,"param":` + h + `},"request_id":` + h + `}`
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fail:
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 409 owned\x1b[2J\x9b31m\r\nConnection: close\r\nContent-Type: application/json\r\nX-Request-Id: owned\x9b2J\u202e\r\nContent-Length: %d\r\n\r\n%s", len(envelope), envelope)
		case strings.HasSuffix(r.URL.Path, "/stream"):
			w.Header().Set("Content-Type", "text/event-stream")
			for _, e := range events[1:] { // the first is the message that was sent
				fmt.Fprintf(w, "data: %s\n\n", e)
			}
			deleted := event("evt_9", `"type":"session.deleted"`)
			fmt.Fprintf(w, "data: %s\n\n", deleted)
		case strings.HasSuffix(r.URL.Path, "/events") && r.Method == http.MethodPost:
			fmt.Fprintf(w, `{"data":[%s]}`, events[0])
		case strings.HasSuffix(r.URL.Path, "/events"):
			fmt.Fprintf(w, `{"data":[%s],"has_more":false}`, strings.Join(events, ","))
		case r.Method == http.MethodPost && !strings.Contains(r.URL.Path, "_1"):
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(body))
		default:
			_, _ = w.Write([]byte(body))
		}
	})
}

// terminalCommands are arguments for commands that call a server. Those that are not here are called as in the first line of
// their example.
var terminalCommands = map[string]string{
	"sessions files upload":         "files upload " + os.DevNull,
	"sessions files download":       "files download file_1 -",
	"sessions create":               "create --agent agent_1 --environment env_1",
	"sessions get":                  "get sess_1",
	"sessions list":                 "list",
	"sessions update":               "update sess_1 --title x",
	"sessions archive":              "archive sess_1",
	"sessions cancel":               "cancel sess_1",
	"sessions delete":               "delete sess_1",
	"sessions events":               "events sess_1",
	"sessions tail":                 "tail sess_1 --deltas",
	"sessions send":                 "send sess_1 hello",
	"sessions agents create":        "agents create --name a --model m",
	"sessions agents get":           "agents get agent_1",
	"sessions agents list":          "agents list",
	"sessions agents versions":      "agents versions agent_1",
	"sessions agents update":        "agents update agent_1 --name b --version 1",
	"sessions agents archive":       "agents archive agent_1",
	"sessions agents delete":        "agents delete agent_1",
	"sessions environments create":  "environments create --name e --type cloud",
	"sessions environments get":     "environments get env_1",
	"sessions environments list":    "environments list",
	"sessions environments update":  "environments update env_1 --name f",
	"sessions environments archive": "environments archive env_1",
	"sessions environments delete":  "environments delete env_1",
	"sessions memory create":        "memory create memstore_1 --path a --content b",
	"sessions memory update":        "memory update memstore_1 mem_1 --content b",
	"sessions memory stores create": "memory stores create --name n",
	"sessions memory stores update": "memory stores update memstore_1 --name n",
	"sessions models list":          "models list",
	"sessions vaults create":        "vaults create --display-name v",
	"sessions vaults update":        "vaults update vault_1 --display-name w",
	"sessions credentials create":   "credentials create vault_1 --mcp-server-url https://mcp.example --secret-file " + os.DevNull,
	"sessions credentials update":   "credentials update vault_1 vcred_1 --metadata a=b",
	"sessions resources list":       "resources list sess_1",
	"sessions resources get":        "resources get sess_1 sesr_1",
	"sessions resources add":        "resources add sess_1 file_1",
	"sessions resources delete":     "resources delete sess_1 sesr_1",
}

// ownSequences are what the program itself makes a terminal do.
var ownSequences = regexp.MustCompile(`\r[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] (?:waiting for the server|the agent works; Ctrl-C stops it|trying the operations|tried \d+ of \d+ operations, now [A-Za-z]+)\x1b\[K|\x1b\[(?:0|1|2|32|33)m|\r\x1b\[K`)

// editorSequences are what the prompt of a chat makes a terminal do.
var editorSequences = regexp.MustCompile(`\x1b\[\?202[67]\$p|\x1b\[\?5W|\x1b\[\?2004[hl]|\x1b\[>4(?:;2)?m|\x1b\[[<>]1u|\x1b\[\?u|\x1b\[[02] q|\x1b\[[JKm]|\x1b\[\?(?:25|7)[hl]|\x1b\[\d*[ABCDG]|[\r\x08]`)

// shownSafely runs a command on a terminal and returns what it showed, which must have nothing that a terminal acts on,
// and something of what the server sent.
func shownSafely(t *testing.T, p *program, say ...string) string {
	t.Helper()
	terminal := p.onTerminal(t)
	for _, line := range say {
		terminal.say(t, line)
	}
	got := terminal.rest(t, p)
	if p.Args[1] == "chat" {
		got = editorSequences.ReplaceAllString(ownSequences.ReplaceAllString(got, ""), "")
	}
	actsOnNothing(t, got)
	return got
}

// actsOnNothing fails the test if a terminal would act on a part of what a command wrote, or if that shows nothing of
// what the server sent.
func actsOnNothing(t *testing.T, got string) {
	t.Helper()
	for _, r := range strings.ReplaceAll(ownSequences.ReplaceAllString(got, ""), "\t", " ") {
		if r != '\n' && unicode.IsControl(r) || strings.ContainsRune(hostile, r) && r > unicode.MaxASCII {
			t.Fatalf("it sends %U to the terminal: %q", r, got)
		}
	}
	if !utf8.ValidString(got) {
		t.Fatalf("it sends bytes that are not UTF-8 to the terminal: %q", got)
	}
	// A report quotes nothing, and the state of a queue is numbers.
	if !strings.Contains(got, "owned") && !strings.Contains(got, "listModels") && !strings.Contains(got, "WORKERS POLLING") && strings.TrimSpace(got) != "" {
		t.Errorf("it shows nothing of what the server sent: %q", got)
	}
}

// inProcess runs a command in this process and returns what it would write to a terminal.
func inProcess(t *testing.T, baseURL string, args ...string) string {
	t.Helper()
	var written bytes.Buffer
	a := newApp(&signals{})
	a.in, a.typed = strings.NewReader(""), false
	a.out = stream{to: &written, terminal: true}
	a.err = a.out
	run(t.Context(), a, append(args, "--token", token, "--base-url", baseURL))
	return written.String()
}

// No command lets a server act on the terminal, in any format, whether it succeeds or fails.
func TestNoServerActsOnTheTerminal(t *testing.T) {
	t.Parallel()
	good, bad := hostileServer(t, false), hostileServer(t, true)
	tested := map[string]bool{}
	walk(newApp(nil).command(), func(cmd *cobra.Command) {
		tested[cmd.CommandPath()] = true
		args := terminalCommands[cmd.CommandPath()]
		if args == "" {
			example, _, _ := strings.Cut(cmd.Example, "\n")
			args = strings.TrimPrefix(strings.TrimSpace(example), "sessions ")
		}
		if isFinal(cmd) {
			args += " --yes"
		}
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) {
			t.Parallel()
			shownSafely(t, prepare(t, good, strings.Fields(args)...))
			for _, form := range formats() {
				actsOnNothing(t, inProcess(t, good, append(strings.Fields(args), "-o", form)...))
			}
			actsOnNothing(t, inProcess(t, bad, append(strings.Fields(args), "--verbose", "--retries", "0")...))
		})
	})
	for path := range terminalCommands {
		if !tested[path] {
			t.Errorf("there is no command %q", path)
		}
	}
}

// Nor does what calls several operations: the prompts and the ids of chat, the report on a server, the completions.
func TestNoServerActsOnTheTerminalOfADialogue(t *testing.T) {
	t.Parallel()
	good, bad := hostileServer(t, false), hostileServer(t, true)
	for name, p := range map[string]*program{
		"chat":                prepare(t, good, "chat", "sess_1"),
		"chat without colour": prepare(t, good, "chat", "sess_1"),
		"choosing an agent":   prepare(t, good, "chat"),
		"a reply":             prepare(t, good, "send", "sess_1", "hello"),
		"a new session":       prepare(t, good, "chat", "--agent", "agent_1", "--environment", "env_1"),
		"a failing command":   prepare(t, bad, "get", "sess_1", "--verbose", "--retries", "0"),
		"JSON":                prepare(t, good, "list", "-o", "json"),
		"a failing chat":      prepare(t, bad, "chat", "sess_1"),
		"contract check":      prepare(t, good, "contract", "check", "--read-only", "--only", "listModels,listSessions,getSession,listEvents,streamEvents,getFileContent"),
		"a failing check":     prepare(t, bad, "contract", "check", "--only", "listModels,createSession,updateSession,sendEvents,streamEvents,deleteFile"),
		"completion":          prepare(t, good, "__complete", "get", ""),
		"events not awaited":  prepare(t, good, "send", "sess_1", "hello", "--no-wait"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var say []string
			if p.Args[1] == "chat" {
				say = []string{"hello", "yes", "42", "no", "\x04"}
				if name == "choosing an agent" {
					say = append([]string{"1", "1"}, say...)
				}
			}
			if strings.Contains(name, "without") {
				p.Env = append(p.Env, "NO_COLOR=1", "TERM=dumb")
			}
			shownSafely(t, p, say...)
		})
	}
}

// In a pipe, what programs parse has every byte; text for people has none that acts. On a terminal JSON and YAML mean
// what they mean in a pipe.
func TestPipesAreExact(t *testing.T) {
	t.Parallel()
	api := hostileServer(t, false)
	for _, form := range []string{formatJSON, formatLines, formatYAML} {
		var values []string
		piped := prepare(t, api, "get", "sess_1", "-o", form)
		piped.end(t)
		shown := prepare(t, api, "get", "sess_1", "-o", form)
		shown.Env = append(shown.Env, "TERM=dumb")
		for _, text := range []string{piped.out.String(), shownSafely(t, shown)} {
			var session struct{ Title string }
			decode := json.Unmarshal
			if form == formatYAML {
				decode = yaml.Unmarshal
			}
			if err := decode([]byte(text), &session); err != nil {
				t.Fatalf("%v: %q", err, text)
			}
			values = append(values, session.Title)
		}
		if diff := cmp.Diff([]string{hostile, hostile}, values); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
		if form != formatYAML && !strings.Contains(piped.out.String(), "\u202e") {
			t.Errorf("%s is not exact in a pipe: %q", form, &piped.out)
		}
	}
	id := prepare(t, api, "get", "sess_1", "-o", "id")
	if id.end(t); id.out.String() != hostile+"\n" {
		t.Errorf("the id in a pipe: %q", &id.out)
	}
	for _, args := range [][]string{{"get", "sess_1", "-o", "table"}, {"send", "sess_1", "hello"}} {
		p := prepare(t, api, args...)
		p.end(t)
		if text := p.out.String() + p.err.String(); strings.ContainsAny(text, "\x1b\u009b\u202e") || !strings.Contains(text, "owned") {
			t.Errorf("%s in a pipe: %q", args, text)
		}
	}
}

// Text without controls passes as it is, scripts of completion included.
func TestVisibleKeepsText(t *testing.T) {
	t.Parallel()
	root := newApp(nil).command()
	var scripts bytes.Buffer
	for _, write := range []func() error{
		func() error { return root.GenBashCompletionV2(&scripts, true) },
		func() error { return root.GenZshCompletion(&scripts) },
		func() error { return root.GenFishCompletion(&scripts, true) },
		func() error { return root.GenPowerShellCompletionWithDesc(&scripts) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"", "a\tb\nc", "话é🙂👩\u200d💻", "می\u200cخواهم", scripts.String()} {
		if got := visible(text); got != text {
			t.Error(cmp.Diff(text, got))
		}
	}
	for text, want := range map[string]string{
		"a\r\nb": "a\nb", "\x1b[2J": `\u001b[2J`, "\u009b": `\u009b`, "\U000E0041": `\udb40\udc41`, "\x9b": "\ufffd", "a\xff\x1b": "a\ufffd\\u001b",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
