package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

// Ids are completed with those that there are, and with what they are called.
func TestCompletion(t *testing.T) {
	t.Parallel()
	api := demo(t)
	session := id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "--title", "two\nlines")
	const ordered, plain = ":36\n", ":4\n"
	for args, want := range map[string]string{
		"get ":                              session + "\ttwo lines\n" + ordered,
		"get sess_1 ":                       plain,
		"agents update ":                    server.DemoAgent + "\ttest-agent-e2e\n" + ordered,
		"environments get ":                 server.DemoEnvironment + "\tdefault\n" + ordered,
		"create --agent ":                   server.DemoAgent + "\ttest-agent-e2e\n" + ordered,
		"create --environment ":             server.DemoEnvironment + "\tdefault\n" + ordered,
		"agents create --model ":            "ultimate\tUltimate\nauto\tAuto\necho\tEcho\n" + ordered,
		"list --order ":                     "desc\nasc\n" + plain,
		"list --status ":                    "idle\nprocessing\ncancelled\n" + plain,
		"list -o ":                          "table\njson\njsonl\nyaml\nid\n" + plain,
		"get --base-url " + unused(t) + " ": plain,
	} {
		p := prepare(t, api, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if code := p.end(t); code != exitOK || p.out.String() != want {
			t.Errorf("%s: exit code %d, %s", args, code, cmp.Diff(want, p.out.String()))
		}
	}
}

// Every shell gets a script, and bash does with it what it should.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := ok(t, "", "completion", shell); !strings.Contains(got, "sessions") || strings.Count(got, "\n") < 20 {
			t.Errorf("%s: %s", shell, got)
		}
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("this test needs bash")
	}
	api := demo(t)
	bash := exec.CommandContext(t.Context(), "bash", "-c", `source <(sessions completion bash)
		# As the package bash-completion has it, for words without quotes.
		_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
		COMP_WORDS=(sessions agents get "") COMP_CWORD=3 COMP_LINE="sessions agents get " COMP_POINT=20 COMP_TYPE=9
		__start_sessions
		printf '%s\n' "${COMPREPLY[@]}"`)
	bash.Env = append(prepare(t, api).Env, "PATH="+onPath(t)+":"+os.Getenv("PATH"))
	out, err := bash.Output() // bash complains that this is no completion of its own
	if err != nil || !strings.HasPrefix(string(out), server.DemoAgent) {
		t.Errorf("%v: %s", err, out)
	}
}
