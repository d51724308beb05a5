package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestFaults tests that a fault file makes requests fail as it says, in the same way after each start.
func TestFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("faults.yaml", `
seed: 5
rules:
  - {operations: listAgents, nth: 1, answer: {status: 429, retry_after: 3s}}
  - {operations: listAgents, probability: 0.5, answer: {status: 502, body: html}}
`)
	script := write("script.yaml", "rules: [{steps: [{say: scripted}]}]")
	var runs [2][]int
	for i := range runs {
		s := serve(t, []string{"QODER_PAT=pt-rehearsal"}, "--demo", "--faults", rules, "--script", script)
		for range 12 {
			runs[i] = append(runs[i], status(t, s.baseURL+"/v1/agents", "pt-rehearsal"))
		}
		metrics := scrape(t, s.baseURL)
		want := fmt.Sprintf(`sessions_faults_injected_total{fault="answer_502",operation="listAgents"} %d`, count(runs[i], 502))
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
		_ = s.Process.Signal(syscall.SIGTERM)
		s.stopped(t)
		if log := s.stderr.String(); strings.Count(log, `msg="fault injected"`) != 12-count(runs[i], 200) || !strings.Contains(log, "operation=listAgents fault=answer_429") {
			t.Errorf("log: %s", log)
		}
	}
	if !slices.Equal(runs[0], runs[1]) || runs[0][0] != 429 || count(runs[0], 502) == 0 || count(runs[0], 200) == 0 {
		t.Errorf("statuses %v, then %v", runs[0], runs[1])
	}
}

func count(list []int, n int) (found int) {
	for _, v := range list {
		if v == n {
			found++
		}
	}
	return found
}

func scrape(t *testing.T, baseURL string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestControl tests that the demo's token opens the control of a demo that has one.
func TestControl(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"QODER_PAT=pt-control"}, "--demo", "--control", "--db", "sqlite::memory:")
	if got := status(t, s.baseURL+"/control/requests", "pt-control"); got != http.StatusOK {
		t.Errorf("%d", got)
	}
}
