package sdktest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestTypeScriptExample generates the types of client/examples/typescript, compiles it and runs it. Its stream breaks twice.
func TestTypeScriptExample(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Faults("rules: [{operations: streamEvents, first: 2, cut: {events: 3}}]")
	folder, run := npmExample(t, s, "typescript")
	contract := filepath.Join(folder, "../../../api")
	if err := os.MkdirAll(contract, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(contract, "openapi.yaml"), api.Spec(), 0o600); err != nil {
		t.Fatal(err)
	}
	run("run", "generate")
	run("run", "build")
	printed := strings.Split(strings.TrimSpace(run("start", "--silent")), "\n")

	c := s.Client()
	var want []string
	for session, err := range c.Sessions.All(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("%s %s", session.ID, session.Title))
		for event, err := range c.Sessions.Events.All(t.Context(), session.ID, nil) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%s %s", event.Type, event.ID))
		}
	}
	for i := range printed {
		printed[i] = strings.TrimSpace(printed[i])
	}
	if !slices.EqualFunc(printed, want, strings.HasPrefix) {
		t.Errorf("it printed\n%s\nwant\n%s", strings.Join(printed, "\n"), strings.Join(want, "\n"))
	}
	if streams := s.Requests("streamEvents"); len(streams) < 3 || streams[1].Header.Get("Last-Event-ID") == "" {
		t.Errorf("%d streams; the second resumes after %q", len(streams), streams[1].Header.Get("Last-Event-ID"))
	}
}
