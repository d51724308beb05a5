package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"
)

// mapped is a file tool that finds the session's resources at the paths that the agent knows.
type mapped struct {
	anthropic.BetaTool
	mounts *mounts
}

// Execute implements anthropic.BetaTool.
func (t *mapped) Execute(ctx context.Context, raw json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	var in map[string]json.RawMessage
	if json.Unmarshal(raw, &in) != nil {
		return t.BetaTool.Execute(ctx, raw) // it says what is wrong
	}
	for _, field := range []string{"file_path", "path"} {
		var at string
		if json.Unmarshal(in[field], &at) != nil || at == "" {
			continue
		}
		if why := t.mounts.missing(at); why != "" {
			return nil, &agenttoolset.ToolError{Content: fmt.Sprintf("The file at %s is not on this machine: %s.", at, strings.TrimSuffix(why, "."))}
		}
		in[field], _ = json.Marshal(t.mounts.inFolder(at)) // a string
	}
	changed, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return t.BetaTool.Execute(ctx, changed)
}

// hinted is bash without a sandbox, where the paths that the agent knows do not exist: a command that names one gets a hint.
type hinted struct {
	anthropic.BetaTool
	mounts *mounts
}

// Execute implements anthropic.BetaTool.
func (t *hinted) Execute(ctx context.Context, raw json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	var in struct{ Command string }
	_ = json.Unmarshal(raw, &in) // the tool says what is wrong
	hint := ""
	for _, l := range t.mounts.links {
		if rest := strings.ReplaceAll(in.Command, t.mounts.dir+"/"+l.name, ""); strings.Contains(rest, l.at) {
			hint += fmt.Sprintf("\nOn this machine %s is %s/%s.", l.at, t.mounts.dir, l.name)
		}
	}
	blocks, err := t.BetaTool.Execute(ctx, raw)
	if failed, ok := err.(*agenttoolset.ToolError); ok && hint != "" {
		return nil, &agenttoolset.ToolError{Content: failed.Content + hint}
	}
	if err == nil && hint != "" {
		blocks = append(blocks, result(strings.TrimPrefix(hint, "\n"))...)
	}
	return blocks, err
}

// Close implements io.Closer.
func (t *hinted) Close() error { return closeTool(t.BetaTool) }

// kept are the variables of the worker's environment that commands get. All others may hold secrets, the key for one.
var kept = []string{"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL"}

// shellEnvironment returns the environment of commands in a folder.
func shellEnvironment(dir string) map[string]string {
	environment := map[string]string{"HOME": dir}
	for _, name := range kept {
		if value, ok := os.LookupEnv(name); ok {
			environment[name] = value
		}
	}
	return environment
}

// refusedBash is bash where nobody has decided what it may do. The agent reads why.
type refusedBash struct{ anthropic.BetaTool }

// Execute implements anthropic.BetaTool.
func (refusedBash) Execute(context.Context, json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	return nil, &agenttoolset.ToolError{Content: "This worker runs no commands: it was started without a sandbox. Use the file tools instead."}
}
