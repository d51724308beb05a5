//go:build unix

package openai_test

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// The mocks of chat completions that others wrote, from npm.
const (
	aimock  = "@copilotkit/aimock@1.43.0"
	mockLLM = "@dwmkerr/mock-llm@0.1.29"
)

// mockTimeout is how long npm may take to install a mock and start it.
const mockTimeout = 8 * time.Minute

// TestMocks tests the runner on endpoints that others wrote to test programs like it.
func TestMocks(t *testing.T) {
	t.Parallel()
	needs.Program(t, "npx")
	type turns map[string][]string // the events by the user's message
	for name, m := range map[string]struct {
		npm   string
		args  []string
		turns turns
	}{
		"aimock": {aimock, []string{"llmock", "--port", "FREE", "--chunk-size", "5", "--fixtures", "testdata/mocks/aimock.json"}, turns{
			"greet":      {"usage 12 7 0", `message "Hello, 中文! A reply of several pieces."`, "outcome end_turn"},
			"weather":    {`message "Let me look."`, `use get_weather {"city":"Oslo"}`, `message "It is sunny in Oslo. 🌞"`, "outcome end_turn"},
			"two cities": {`message "And"`, `use get_weather {"city":"Oslo"}`, `use get_weather {"city":"Bergen"}`},
			"think":      {`message "Done."`, "outcome end_turn"},
			"long":       {`message "Cut off"`, "outcome max_tokens"},
			"filter":     {`message "Half of"`, `error "The endpoint's content filter stopped the reply (content_filter)."`},
			"break":      {`error "The connection to the model endpoint failed. Send the message again."`},
			"refuse":     {`error "The model endpoint returned 404 Not Found: The model does not exist."`},
		}},
		"mock-llm": {mockLLM, []string{"env", "HOST=127.0.0.1", "PORT=FREE", "mock-llm", "--config", "testdata/mocks/mock-llm.yaml"}, turns{
			"Hello, 中文 😀!": {`message "You said: Hello, 中文 😀!"`, "outcome end_turn"},
			"refuse":       {`error "The model endpoint broke off its response: Incorrect API key provided."`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := startMock(t, m.npm, m.args)
			runner, err := openai.New(openai.Options{BaseURL: url + "/v1"})
			if err != nil {
				t.Fatal(err)
			}
			for text, want := range m.turns {
				var rec turntest.Recorder
				outcome, err := turntest.Play(t.Context(), runner, turntest.Input(text), &rec, turntest.Allow)
				got := withoutMemos(events(rec.Calls(), outcome, err), !strings.Contains(strings.Join(want, " "), "usage"))
				if text == "two cities" {
					got = got[:min(len(got), 3)] // the mock repeats the calls when it has the results
				}
				if text == "break" {
					got = got[max(0, len(got)-1):] // how much of the text arrives is up to the connection
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: events (-want +got):\n%s", text, diff)
				}
			}
		})
	}
}

// withoutMemos returns the events without memos, and without usage too where it was made up by the mock.
func withoutMemos(events []string, withoutUsage bool) (kept []string) {
	for _, e := range events {
		if !strings.HasPrefix(e, "memo ") && !(withoutUsage && strings.HasPrefix(e, "usage ")) {
			kept = append(kept, e)
		}
	}
	return kept
}

// startMock runs a command of an npm package, in which FREE stands for a free port, until the test ends.
func startMock(t *testing.T, npm string, args []string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = listener.Close()
	for i := range args {
		args[i] = strings.Replace(args[i], "FREE", port, 1)
	}
	command := append([]string{"-c", `{ "$@"; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`, "sh", "../../../.ci/npm-run", npm}, args...)
	// However the test ends, its end of standard input closes, and the whole group (npx, a shell, node) with it.
	cmd := exec.Command("sh", command...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() {
		_ = stdin.Close()
		<-ended
	}
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(t.Context(), mockTimeout)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			t.Fatalf("%s ended before it listened:\n%s", npm, &log)
		case <-ctx.Done():
			stop()
			t.Fatalf("%s did not listen within %s:\n%s", npm, mockTimeout, &log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
