// Package builtintools is an agent's built-in toolset in a turn: the tools that a worker of a self-hosted environment runs. The
// server runs no code of callers, so that sessions of other environments do not have them.
package builtintools

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tools/policy"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Source returns the source of the toolset. Its tools have the names and the inputs that the worker of anthropic-sdk-go
// v1.84.0 knows, whatever the agent's spelling. It logs once that sessions lack the tools of their agents.
func Source(logger *slog.Logger) func(ctx context.Context, account string, s store.Session) (turn.Toolbox, error) {
	var once sync.Once
	return func(_ context.Context, _ string, s store.Session) (turn.Toolbox, error) {
		tools, err := enabled(s.Agent.Tools)
		if err != nil || len(tools) == 0 {
			return turn.Toolbox{}, err
		}
		if s.SelfHosted {
			return turn.Toolbox{Tools: tools}, nil
		}
		once.Do(func() {
			logger.Warn("an agent's built-in tools are not offered, since only workers of environments of the type self_hosted run them",
				"session", s.ID, "environment", s.EnvironmentID)
		})
		return turn.Toolbox{System: missing(tools)}, nil
	}
}

// ByWorker reports whether a worker runs built-in tools in a session: it is of a self-hosted environment, and its agent has
// such tools.
func ByWorker(s store.Session) (bool, error) {
	if !s.SelfHosted {
		return false, nil
	}
	tools, err := enabled(s.Agent.Tools)
	return len(tools) > 0, err
}

// missing tells the model which tools it does not have.
func missing(tools []turn.Tool) string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return fmt.Sprintf("You cannot run commands or use files: the tools %s are not available in this session.", strings.Join(names, ", "))
}

// enabled returns the tools that an agent's toolset enables.
func enabled(agentTools json.RawMessage) (enabled []turn.Tool, err error) {
	var all []types.AgentTool
	if len(agentTools) > 0 {
		err = json.Unmarshal(agentTools, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("the agent's tools: %w", err)
	}
	for _, t := range all {
		set, ok := t.AsAny().(types.BuiltinToolset)
		if !ok {
			continue
		}
		for _, tool := range tools {
			if p := policyOf(set, tool.Name); p.Offered {
				tool.Ask = p.Ask
				enabled = append(enabled, tool)
			}
		}
		break // a second toolset would have the same tools
	}
	return enabled, nil
}

// policyOf returns what an agent may do with a tool of the toolset. A tool that the toolset's lists exclude is never offered.
func policyOf(set types.BuiltinToolset, name string) policy.Policy {
	is := func(n types.BuiltinTool) bool { return strings.EqualFold(string(n), name) }
	configs := []*types.ToolConfig{set.DefaultConfig}
	for _, c := range set.Configs {
		if is(c.Name) {
			configs = append(configs, &types.ToolConfig{Enabled: c.Enabled, PermissionPolicy: c.PermissionPolicy})
		}
	}
	p := policy.Of(configs...)
	listed := len(set.EnabledTools) == 0 || slices.ContainsFunc(set.EnabledTools, is)
	p.Offered = p.Offered && listed && !slices.ContainsFunc(set.DisallowedTools, is)
	return p
}
