//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

// messages are the texts of the messages of a session.
func messages(t *testing.T, api, session string) (texts []string) {
	t.Helper()
	out := ok(t, api, "events", session, "--type", "user.message", "--all", "-o", "json")
	var events []struct{ Content []struct{ Text string } }
	if err := json.Unmarshal([]byte(out), &events); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, e := range events {
		texts = append(texts, e.Content[0].Text)
	}
	return texts
}

// What the screen shows is what is sent: the keys of an editor work, also between Chinese characters; pasted lines are one
// message; no message is cut; earlier messages come back.
func TestEditing(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	p := prepare(t, api, "chat", session)
	terminal := p.onTerminalOf(t, 60)
	const left, up, down, home, end, erase = "\x1b[D", "\x1b[A", "\x1b[B", "\x1b[H", "\x1b[F", "\x7f"
	long := strings.Repeat("会话数据", 1500) // 18,000 bytes, which arrive in pieces
	var want []string
	for _, tc := range []struct{ keys, text string }{
		{"hello world" + left + left + erase + home + "X" + end + "!", "Xhello wold!"},
		{"关于退款的问题" + erase + erase + left + "新", "关于退款新的"},
		{up, "关于退款新的"},
		{up + up, "Xhello wold!"},
		{"draft" + up + up + down + down + "ed", "drafted"},
		{"one\x1b\rtwo\x1b[13;2uthree", "one\ntwo\nthree"},
		{pasteStart + "a\tb\r\n中文\rlast" + pasteEnd + " line", "a\tb\n中文\nlast line"},
		{up + up + up + up + home + "again: ", "one\ntwo\nagain: three"}, // within the lines of the latest one, then beyond
		{pasteStart + long + pasteEnd, long},
		{pasteStart + "no \x1b[31mcolour\x07" + pasteEnd, "no colour"},
		{"emoji 👩‍💻 é", "emoji 👩‍💻 é"},
	} {
		prompts := strings.Count(plain(terminal.wait(t, `> $`)), "I have no answer")
		if prompts != len(want) {
			t.Fatalf("%d messages were answered, want %d", prompts, len(want))
		}
		if _, err := terminal.WriteString(tc.keys + "\r"); err != nil {
			t.Fatal(err)
		}
		want = append(want, tc.text)
		terminal.waitFor(t, func(written string) bool {
			return strings.Count(plain(written), "I have no answer") == len(want) && strings.HasSuffix(plain(written), "\n> ")
		})
	}
	if _, err := terminal.WriteString("\x04"); err != nil {
		t.Fatal(err)
	}
	if terminal.rest(t, p); p.ProcessState.ExitCode() != exitOK {
		t.Errorf("exit code %d", p.ProcessState.ExitCode())
	}
	if diff := cmp.Diff(want, messages(t, api, session)); diff != "" {
		t.Error(diff)
	}
}

// A prompt is not shown before its program reads keys.
func TestAPromptIsShownOnceItReads(t *testing.T) {
	t.Parallel()
	p := newPrompt("a draft", nil, false)
	if view := p.View(); view.Content != "" {
		t.Errorf("it shows %q", view.Content)
	}
	p.Update(tea.WindowSizeMsg{Width: 40, Height: 10})
	if view := p.View(); !strings.Contains(view.Content, "a draft") {
		t.Errorf("it shows %q", view.Content)
	}
}

// What is typed while the agent works, or faster than the prompt comes, is the next message, and Ctrl-D ends the chat.
func TestTypingAhead(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	for _, keys := range []string{"one\ntwo\nthree\n\x04", "four\rfi\x1b[Dve\rsix\r\x04"} {
		p := prepare(t, api, "chat", session)
		terminal := p.onTerminal(t)
		if strings.Contains(keys, "\r") {
			terminal.wait(t, `> $`) // raw from now on
		}
		if _, err := terminal.WriteString(keys); err != nil {
			t.Fatal(err)
		}
		if terminal.rest(t, p); p.ProcessState.ExitCode() != exitOK {
			t.Errorf("exit code %d", p.ProcessState.ExitCode())
		}
	}
	if diff := cmp.Diff([]string{"one", "two", "three", "four", "five", "six"}, messages(t, api, session)); diff != "" {
		t.Error(diff)
	}
}

// A prompt takes the width that the terminal has now.
func TestResizing(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	p := prepare(t, api, "chat", session)
	p.Env = append(p.Env, "NO_COLOR=1")
	terminal := p.onTerminalOf(t, 40)
	terminal.wait(t, `> $`)
	text := strings.Repeat("a", 30)
	_, _ = terminal.WriteString(text)
	terminal.wait(t, `> `+text+`$`)
	if err := pty.Setsize(terminal.File, &pty.Winsize{Cols: 20, Rows: 10}); err != nil {
		t.Fatal(err)
	}
	terminal.wait(t, `> a{18}\n  a{12}$`)
	_, _ = terminal.WriteString("\r")
	terminal.wait(t, `answer to: `+text)
	_ = p.Process.Kill()
}

// The history outlives the program in a file that only its owner can read, unless it is switched off.
func TestHistoryIsKept(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	config := t.TempDir()
	file := filepath.Join(config, "cloud-sessions", "chat-history.jsonl")
	chat := func(env string, args []string, keys string) {
		t.Helper()
		p := prepare(t, api, append([]string{"chat", session}, args...)...)
		p.Env = append(p.Env, "XDG_CONFIG_HOME="+config, "HOME="+config, env)
		terminal := p.onTerminal(t)
		terminal.wait(t, `> $`)
		_, _ = terminal.WriteString(keys + "\r")
		terminal.wait(t, `I have no answer[^>]*> $`)
		_, _ = terminal.WriteString("\x04")
		if terminal.rest(t, p); p.ProcessState.ExitCode() != exitOK {
			t.Errorf("exit code %d", p.ProcessState.ExitCode())
		}
	}
	chat("", nil, "first\x1b\rmessage")
	chat("", nil, "\x1b[A again")
	chat("SESSIONS_HISTORY=off", nil, "\x1b[Asecret 1")
	chat("", []string{"--no-history"}, "\x1b[Asecret 2")
	want := []string{"first\nmessage", "first\nmessage again", "secret 1", "secret 2"}
	if diff := cmp.Diff(want, messages(t, api, session)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Skip("the configuration is kept elsewhere on this system")
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the history has the mode %v", info.Mode())
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "\"first\\nmessage\"\n\"first\\nmessage again\"\n" {
		t.Errorf("%v: %q", err, data)
	}
}

// A chat without arguments offers the agents and, unless the agent suggests one, the environments.
func TestChoosingAnAgent(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	id(t, api, "agents", "create", "--name", "notes", "--model", "auto")
	second := id(t, api, "environments", "create", "--name", "second", "--type", "cloud")
	p := prepare(t, api, "chat")
	terminal := p.onTerminalOf(t, 80)
	terminal.wait(t, `NO +ID +NAME[^?]*1 +agent_[^?]*notes[^?]*2 +agent_[^?]*Which agent\? \[1-2, or its name\] \n> $`)
	terminal.say(t, "3")
	terminal.wait(t, `(?s)Which agent.*Which agent\? \[1-2, or its name\] \n> $`)
	terminal.say(t, "Test-Agent-E2E")
	terminal.wait(t, `Which environment\? \[1-2, or its name\] \n> $`)
	terminal.say(t, "1")
	terminal.wait(t, `sess_[0-9a-f]{32}\n> $`)
	terminal.say(t, "hello")
	terminal.wait(t, `answer to: hello\n> $`)
	_, _ = terminal.WriteString("\x04")
	if terminal.rest(t, p); p.ProcessState.ExitCode() != exitOK {
		t.Errorf("exit code %d", p.ProcessState.ExitCode())
	}
	session := fields(t, ok(t, api, "list", "-o", "jsonl", "--limit", "1"), "agent_id", "environment_id")
	if session["agent_id"] != server.DemoAgent || session["environment_id"] != second {
		t.Errorf("%v", session)
	}
}
