//go:build unix

package main

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/server"
)

// screen is a terminal and what has been written to it.
type screen struct {
	*os.File
	process *os.Process
	mu      sync.Mutex
	written bytes.Buffer
	changed *sync.Cond
	ended   bool
}

// onTerminal starts a process whose standard streams are a terminal, which does not say how large it is.
func (p *program) onTerminal(t *testing.T) *screen {
	t.Helper()
	return p.onTerminalOf(t, 0)
}

// onTerminalOf starts a process whose standard streams are a terminal with so many columns, and 24 lines.
func (p *program) onTerminalOf(t *testing.T, columns uint16) *screen {
	t.Helper()
	p.Stdin, p.Stdout, p.Stderr = nil, nil, nil
	master, err := pty.StartWithSize(p.Cmd, &pty.Winsize{Cols: columns, Rows: min(columns, 24)})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{File: master, process: p.Process}
	s.changed = sync.NewCond(&s.mu)
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			part := make([]byte, 1<<12)
			n, err := master.Read(part)
			s.mu.Lock()
			s.written.Write(part[:n])
			s.ended = err != nil // a terminal that its last program has left reports EIO
			s.changed.Broadcast()
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = p.Process.Kill()
		reader.Wait()
		_ = master.Close()
	})
	return s
}

// spinner is what shows that a program waits; it may come or not.
var spinner = regexp.MustCompile(`\r[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] [^\r]*|\r\x1b\[K`)

// sequences are what moves the cursor, colours text and asks the terminal what it can.
var sequences = regexp.MustCompile(`\x1b\[[0-9;?<>= ]*[A-Za-z$]p?|\r|\x08`)

// plain is the text that was written, without the spinner and without sequences.
func plain(written string) string {
	return sequences.ReplaceAllString(spinner.ReplaceAllString(written, ""), "")
}

// wait returns what was written once it matches a pattern, with the spinner and sequences or without. It fails when that
// takes minutes.
func (s *screen) wait(t *testing.T, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	return s.waitFor(t, func(written string) bool {
		return wanted.MatchString(written) || wanted.MatchString(spinner.ReplaceAllString(written, "")) || wanted.MatchString(plain(written))
	})
}

// waitFor returns what was written once it is as wanted. After two minutes the process is made to end and to write what its
// goroutines were doing; the test fails with that.
func (s *screen) waitFor(t *testing.T, wanted func(written string) bool) string {
	t.Helper()
	timer := time.AfterFunc(2*time.Minute, func() { _ = s.process.Signal(syscall.SIGQUIT) })
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !wanted(s.written.String()) {
		if s.ended {
			t.Fatalf("%q is not what was waited for", &s.written)
		}
		s.changed.Wait()
	}
	return s.written.String()
}

// rest returns all that was written once the process has ended.
func (s *screen) rest(t *testing.T, p *program) string {
	t.Helper()
	s.mu.Lock()
	for !s.ended {
		s.changed.Wait()
	}
	s.mu.Unlock()
	p.end(t)
	return strings.ReplaceAll(s.written.String(), "\r\n", "\n")
}

// On a terminal a list is a table in colours that fits, and no record moves the cursor.
func TestTables(t *testing.T) {
	t.Parallel()
	api := demo(t)
	create := func(title string) string {
		return id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "--title", title)
	}
	first, second := create("我的会话"), create("a\x1b[2J\nb"+strings.Repeat("c", 60))
	const when = `(?:just now|\d+m ago)`
	const moment = `\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`
	plain := "ID {35}  STATUS  TITLE {35}  AGENT {9}  CREATED\n" +
		second + "  idle    a \\[2J b" + strings.Repeat("c", 32) + "…  test-agent-e2e  " + when + "\n" +
		first + "  idle    我的会话 {34}test-agent-e2e  " + when + "\n"
	if len(first) != 37 {
		t.Fatalf("the id %s is not as long as the pattern says", first)
	}
	colours := strings.NewReplacer(
		"ID {35}", "\\x1b\\[1mID\\x1b\\[0m {35}", "STATUS", "\\x1b\\[1mSTATUS\\x1b\\[0m", "TITLE", "\\x1b\\[1mTITLE\\x1b\\[0m",
		"AGENT ", "\\x1b\\[1mAGENT\\x1b\\[0m ", "CREATED", "\\x1b\\[1mCREATED\\x1b\\[0m", "idle", "\\x1b\\[32midle\\x1b\\[0m").Replace(plain)
	const more = "More records exist: use --all, --limit or --after\\.\n"
	for _, tc := range []struct{ name, env, args, want string }{
		{"in colours", "", "list", colours},
		{"without colours", "NO_COLOR=1", "list", plain},
		{"a simple terminal", "TERM=dumb", "list", plain},
		{"with more to see", "NO_COLOR=1", "list --limit 1", strings.SplitAfter(plain, "\n")[0] + strings.SplitAfter(plain, "\n")[1] + more},
		{"one record", "NO_COLOR=1", "environments get " + server.DemoEnvironment,
			"ID       " + server.DemoEnvironment + "\nNAME     default\nSTATUS   ready\nCONFIG   .*\nCREATED  " + moment + "\nUPDATED  " + moment + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, api, strings.Fields(tc.args)...)
			p.Env = append(p.Env, tc.env)
			got := spinner.ReplaceAllString(p.onTerminal(t).rest(t, p), "")
			if !regexp.MustCompile("^" + tc.want + "$").MatchString(got) {
				t.Errorf("got\n%q\nwant\n%q", got, tc.want)
			}
		})
	}
}

// A command that waits says so on a terminal, and takes it back.
func TestProgress(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-seen:
		case <-r.Context().Done():
		}
		answer(200, `{"data":[]}`)(w, r)
	})
	p := prepare(t, api, "models", "list")
	terminal := p.onTerminal(t)
	terminal.wait(t, "\r[⠋⠙] waiting for the server")
	close(seen)
	if got := terminal.rest(t, p); !strings.Contains(got, "waiting for the server\x1b[K\r\x1b[K\x1b[1mID") {
		t.Errorf("%q", got)
	}
}

// hang serves requests that are never answered; begun gets a value for each.
func hang(t *testing.T) (api string, begun chan struct{}) {
	begun = make(chan struct{}, 10)
	return serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices that the client is gone
		begun <- struct{}{}
		<-r.Context().Done()
	}), begun
}

func TestInterrupts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, args, said string
		signal           syscall.Signal
	}{
		{"a read", "models list", "sessions: interrupted\n", syscall.SIGINT},
		{"a write", "archive sess_1", "sessions: interrupted; the request may have taken effect\n", syscall.SIGINT},
		{"by SIGTERM", "agents list --all", "sessions: interrupted\n", syscall.SIGTERM},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			api, begun := hang(t)
			p := prepare(t, api, strings.Fields(tc.args)...)
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			<-begun
			_ = p.Process.Signal(tc.signal)
			if code := p.end(t); code != exitInterrupted || p.said() != tc.said {
				t.Errorf("exit code %d, %s", code, &p.err)
			}
		})
	}
	t.Run("reading standard input", func(t *testing.T) {
		t.Parallel()
		p := prepare(t, unused(t), "create", "--file", "-")
		terminal := p.onTerminal(t)
		terminal.wait(t, "Reading standard input")
		_, _ = terminal.Write([]byte{3}) // Ctrl-C
		if got := terminal.rest(t, p); !strings.Contains(got, "sessions: interrupted") || p.ProcessState.ExitCode() != exitInterrupted {
			t.Errorf("exit code %d, %q", p.ProcessState.ExitCode(), got)
		}
	})
	t.Run("a second one ends it at once", func(t *testing.T) {
		t.Parallel()
		api := serve(t, answer(200, `{"id":"agent_1","system":"`+strings.Repeat("x", 1<<20)+`"}`))
		p := prepare(t, api, "agents", "get", "agent_1")
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		p.Stdout = writer
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		_ = writer.Close()
		if _, err := reader.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		// From now on it is stuck: nobody reads more, and no pipe holds a record as long as this one.
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = p.Wait()
		}()
		for stuck := true; stuck; {
			_ = p.Process.Signal(syscall.SIGINT)
			select {
			case <-ended:
				stuck = false
			case <-time.After(time.Millisecond): // for the first to arrive before the second
			}
		}
		if ws, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGINT {
			t.Errorf("ended with %v, want to be ended by the signal", p.ProcessState)
		}
	})
}

// say types a line.
func (s *screen) say(t *testing.T, line string) {
	t.Helper()
	if _, err := s.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// On a terminal chat asks what the agent asks, and Ctrl-C stops the turn before it stops the program.
func TestChat(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	p := prepare(t, api, "chat", session)
	terminal := p.onTerminal(t)
	for _, step := range []struct{ after, say string }{
		{`^> $`, "hello"},
		{`> hello\nI have no answer to: hello\n> $`, "weather?"},
		{`Let me look outside\.\n· get_weather \{"city":"Oslo","days":1\}\nresult of get_weather \{"city":"Oslo","days":1\}: \n> $`, "fog"},
		{`The weather: fog\.\n> $`, "delete build"},
		{`allow Bash \{"command":"rm -r build"\}\? \[y/N, or a reason to deny it\] \n> $`, "I need it"},
		{`I leave it, as you say: I need it\.\n> $`, "delete build"},
		{`or a reason to deny it\] \n> $`, "Yes"},
		{`Done\.\n> $`, "fail"},
		{`sessions: the model is overloaded\nsessions: the turn failed\n> $`, "wait"},
	} {
		terminal.wait(t, step.after)
		terminal.say(t, step.say)
	}
	terminal.wait(t, `\nI wait\.\n$`)
	_, _ = terminal.Write([]byte{3}) // Ctrl-C
	terminal.wait(t, `I wait\.\n(\^C)?sessions: the turn was stopped\n> $`)
	terminal.say(t, "hello again")
	terminal.wait(t, `I have no answer to: hello again\n> $`)
	_, _ = terminal.Write([]byte{4}) // Ctrl-D
	got := terminal.rest(t, p)
	if code := p.ProcessState.ExitCode(); code != exitOK || !strings.Contains(got, "Continue with: sessions chat "+session) {
		t.Errorf("exit code %d, %q", code, got)
	}
	if got := ok(t, api, "events", session, "--all", "--type", "user.interrupt", "-o", "id"); strings.Count(got, "\n") != 1 {
		t.Errorf("interruptions: %s", got)
	}
}

// At the prompt the first Ctrl-C discards the text, and the next one leaves, as does the first one after a turn that
// was stopped; during a turn the second one does.
func TestLeavingAChat(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	for _, keys := range [][]string{
		{"", "discarded", "discarded$", "\x03", leaveHint, "\x03", "interrupted"},
		{"", "\x03", leaveHint, "x", `x\s*$`, "\x03", leaveHint, "\x03", "interrupted"},
		{"", "wait\n", `I wait\.\n$`, "\x03", `the turn was stopped\n> $`, "\x03", "interrupted"},
	} {
		p := prepare(t, api, "chat", session)
		terminal := p.onTerminal(t)
		terminal.wait(t, `> $`)
		for i, part := range keys {
			if i%2 == 1 {
				_, _ = terminal.WriteString(part)
			} else {
				terminal.wait(t, part)
			}
		}
		if got := terminal.rest(t, p); p.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(got, "sessions: interrupted") {
			t.Errorf("%q: exit code %d, %q", keys, p.ProcessState.ExitCode(), got)
		}
	}
	if got := ok(t, api, "events", session, "--type", "user.message", "-o", "jsonl"); strings.Contains(got, "discarded") {
		t.Errorf("sent: %s", got)
	}

	// A server that does not hear of the first one.
	api, begun := hang(t)
	p := prepare(t, api, "send", "sess_1", "hello")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun // the message
	_ = p.Process.Signal(syscall.SIGINT)
	<-begun // the interruption
	_ = p.Process.Signal(syscall.SIGINT)
	if code := p.end(t); code != exitInterrupted || !strings.Contains(p.said(), "sessions: interrupted; the request may have taken effect") {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

// Ctrl-C stops the turn that send waits for.
func TestStoppingATurn(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	p := prepare(t, api, "send", session, "wait")
	p.Stdout = nil
	out := p.start(t, p.StdoutPipe)
	said := make([]byte, len("I wait."))
	if _, err := io.ReadFull(out, said); err != nil {
		t.Fatal(err)
	}
	_ = p.Process.Signal(syscall.SIGINT)
	_, _ = io.Copy(io.Discard, out)
	if code := p.end(t); code != exitInterrupted || p.said() != "sessions: the turn was stopped\n" {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
	if got := fields(t, ok(t, api, "get", session), "status"); got["status"] != "idle" {
		t.Errorf("the session is %v", got)
	}
}

// On a terminal of 80 columns every row of a list has one line, and the end of a session's events is shown, not its begin.
func TestListsOnANarrowTerminal(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "--title", strings.Repeat("关于退款", 20))
	for range 4 {
		ok(t, api, "send", session, "hello")
	}
	run := func(args ...string) (lines []string) {
		p := prepare(t, api, args...)
		p.Env = append(p.Env, "NO_COLOR=1")
		got := spinner.ReplaceAllString(p.onTerminalOf(t, 80).rest(t, p), "")
		return strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	}
	lists := [][]string{run("list"), run("events", session), run("agents", "list"), run("events", session, "--limit", "2"), run("events", session, "--order", "asc", "--limit", "2")}
	for _, lines := range lists {
		for _, line := range lines {
			if runewidth.StringWidth(line) > 80 {
				t.Errorf("%q is too wide", line)
			}
		}
	}
	if row := lists[0][1]; !strings.HasPrefix(row, session+"  idle    关于") || !regexp.MustCompile(`test-.*(just now|m ago)$`).MatchString(row) {
		t.Errorf("%q", row)
	}
	const latest, more = "session.status_idle         end_turn", "Earlier records exist: use --all, --limit or --before."
	for i, want := range map[int]int{1: 20, 3: 2} {
		if lines := lists[i]; len(lines) != want+2 || !strings.HasSuffix(lines[want+1], latest) || lines[0] != more {
			t.Errorf("%d lines: %q", len(lines), lines)
		}
	}
	if lines := lists[4]; !strings.Contains(lines[1], "session.status_running") || !strings.HasPrefix(lines[3], "More records exist") {
		t.Errorf("%q", lines)
	}
}

// The commands that ask are those whose effect no other command undoes.
func TestFinalCommandsAsk(t *testing.T) {
	t.Parallel()
	asks := map[string]bool{}
	walk(newApp(nil).command(), func(cmd *cobra.Command) {
		if cmd.Flags().Lookup(yesFlag) != nil {
			asks[strings.TrimPrefix(cmd.CommandPath(), "sessions ")] = true
		}
	})
	want := "agents archive, agents delete, archive, credentials archive, credentials delete, delete, environments archive, environments delete, " +
		"files delete, keys delete, memory delete, memory stores archive, memory stores delete, memory versions redact, vaults archive, vaults delete"
	if got := strings.Join(slices.Sorted(maps.Keys(asks)), ", "); got != want {
		t.Errorf("%s", got)
	}
	api := demo(t)
	session := newSession(t, api)
	p := prepare(t, api, "archive", session)
	terminal := p.onTerminal(t)
	terminal.wait(t, "Archive a session permanently: "+session+`\? \[y/N\] $`)
	terminal.say(t, "n")
	if terminal.rest(t, p); p.ProcessState.ExitCode() != exitFailure {
		t.Errorf("exit code %d", p.ProcessState.ExitCode())
	}
	p = prepare(t, api, "archive", session) // in a pipe
	if code := p.end(t); code != exitOK {
		t.Errorf("exit code %d: %s", code, p.said())
	}
}

// On a terminal a deletion is confirmed, unless --yes is given.
func TestDeletionsAsk(t *testing.T) {
	t.Parallel()
	api := demo(t)
	for _, tc := range []struct {
		reply string
		code  int
		last  string
	}{
		{"y", exitOK, "DELETED  sess_"},
		{"no", exitFailure, "sessions: not confirmed; nothing was changed"},
		{"", exitFailure, "sessions: not confirmed; nothing was changed"},
		{"--yes", exitOK, "DELETED  sess_"},
	} {
		session := newSession(t, api)
		p := prepare(t, api, "delete", session)
		p.Env = append(p.Env, "NO_COLOR=1")
		if tc.reply == "--yes" {
			p.Args = append(p.Args, tc.reply)
		}
		terminal := p.onTerminal(t)
		if tc.reply != "--yes" {
			terminal.wait(t, "Delete a session and its events permanently: "+session+`\? \[y/N\] $`)
			terminal.say(t, tc.reply)
		}
		got := spinner.ReplaceAllString(terminal.rest(t, p), "")
		if lines := strings.Split(strings.TrimSpace(got), "\n"); p.ProcessState.ExitCode() != tc.code || !strings.HasPrefix(lines[len(lines)-1], tc.last) {
			t.Errorf("%q: exit code %d, %q", tc.reply, p.ProcessState.ExitCode(), got)
		}
		kept := prepare(t, api, "get", session).end(t) == exitOK
		if kept != (tc.code != exitOK) {
			t.Errorf("%q: kept %v", tc.reply, kept)
		}
	}
	p := prepare(t, api, "delete", newSession(t, api))
	terminal := p.onTerminal(t)
	terminal.wait(t, `\[y/N\] `)
	_, _ = terminal.Write([]byte{3}) // Ctrl-C
	if terminal.rest(t, p); p.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("exit code %d", p.ProcessState.ExitCode())
	}
}
