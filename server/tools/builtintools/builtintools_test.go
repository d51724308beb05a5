package builtintools

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
)

// TestSource asks for the tools of toolsets: each is the tool's name, with a question mark where a user is asked.
func TestSource(t *testing.T) {
	t.Parallel()
	const set = `{"type":"agent_toolset_20260401"`
	all := []string{"bash", "read", "write", "edit", "glob", "grep"}
	for tools, want := range map[string][]string{
		``:   nil,
		`[]`: nil,
		`[{"type":"custom","name":"bash","input_schema":{}}]`: nil,
		`[` + set + `}]`:                                                      all,
		`[` + set + `},` + set + `}]`:                                         all,
		`[` + set + `,"enabled_tools":["Bash","WebFetch"]}]`:                  {"bash"},
		`[` + set + `,"disallowed_tools":["Bash","Write"]}]`:                  {"read", "edit", "glob", "grep"},
		`[` + set + `,"default_config":{"enabled":false}}]`:                   nil,
		`[` + set + `,"default_config":{"permission_policy":"always_ask"}}]`:  {"bash?", "read?", "write?", "edit?", "glob?", "grep?"},
		`[` + set + `,"default_config":{"permission_policy":"always_deny"}}]`: nil,
		`[` + set + `,"configs":[{"name":"Bash","permission_policy":{"type":"always_ask"}},{"name":"Read","permission_policy":"always_deny"},{"name":"Grep","enabled":false}]}]`: {"bash?", "write", "edit", "glob"},
		`[` + set + `,"default_config":{"enabled":false,"permission_policy":"always_ask"},"configs":[{"name":"Glob","enabled":true,"permission_policy":"always_allow"}]}]`:       {"glob"},
		`[` + set + `,"enabled_tools":["bash","Read","web_fetch"]}]`:                                           {"bash", "read"},
		`[` + set + `,"disallowed_tools":["bash","write"]}]`:                                                   {"read", "edit", "glob", "grep"},
		`[` + set + `,"enabled_tools":["Bash"],"configs":[{"name":"bash","permission_policy":"always_ask"}]}]`: {"bash?"},
		`[` + set + `,"enabled_tools":["Read"],"configs":[{"name":"Glob","enabled":true}]}]`:                   {"read"},
	} {
		s := store.Session{SelfHosted: true}
		s.Agent.Tools = json.RawMessage(tools)
		box, err := Source(slog.New(slog.DiscardHandler))(t.Context(), "acme", s)
		if err != nil {
			t.Errorf("%s: %v", tools, err)
		}
		var got []string
		for _, tool := range box.Tools {
			if tool.Ask {
				tool.Name += "?"
			}
			if !json.Valid(tool.InputSchema) || tool.Run != nil {
				t.Errorf("%s: %s", tool.Name, tool.InputSchema)
			}
			got = append(got, tool.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", tools, diff)
		}
	}
	s := store.Session{SelfHosted: true}
	s.Agent.Tools = json.RawMessage(`{`)
	if _, err := Source(slog.New(slog.DiscardHandler))(t.Context(), "acme", s); err == nil {
		t.Error("tools that are not JSON are no error")
	}
}
