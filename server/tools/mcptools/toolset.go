package mcptools

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cloud-sessions/sessions/api/union"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

// toolset is an MCP server of an agent with the configuration of its tools.
type toolset struct {
	name, url string
	older     bool // it may also speak the older SSE transport
	set       types.MCPToolset
}

// toolsets returns the toolsets of an agent that enable a tool, each with its server. Of two for the same server the first
// counts.
func toolsets(agent store.Agent) ([]toolset, error) {
	var tools []types.AgentTool
	var servers []types.MCPServer
	if err := errors.Join(json.Unmarshal(agent.Tools, &tools), json.Unmarshal(agent.MCPServers, &servers)); err != nil {
		return nil, fmt.Errorf("the agent's MCP servers: %w", err)
	}
	named := map[string]toolset{}
	for _, server := range servers {
		switch v := server.AsAny().(type) {
		case types.MCPServerURL:
			named[v.Name] = toolset{name: v.Name, url: v.URL, older: true}
		case types.MCPServerHTTP:
			named[v.Name] = toolset{name: v.Name, url: v.URL}
		}
	}
	var sets []toolset
	for _, tool := range tools {
		v, ok := tool.AsAny().(types.MCPToolset)
		if !ok {
			continue
		}
		set, ok := named[v.MCPServerName]
		delete(named, v.MCPServerName)
		if set.set = v; ok && set.enablesAny() {
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// policy returns whether the agent may use a tool, and whether each use needs a confirmation. What the tool's
// configuration omits is that of the toolset's default_config, and by default a tool is allowed (decision "MCP tools").
func (t toolset) policy(tool string) (enabled, ask bool) {
	byDefault := types.ToolConfig{}
	if t.set.DefaultConfig != nil {
		byDefault = *t.set.DefaultConfig
	}
	config := types.MCPToolConfig{}
	for _, c := range t.set.Configs {
		if c.Name == tool {
			config = c
		}
	}
	on := first(config.Enabled, byDefault.Enabled, true)
	policy := first(config.PermissionPolicy, byDefault.PermissionPolicy, union.Policy(types.PermissionPolicyNameAlwaysAllow))
	return on && policy != union.Policy(types.PermissionPolicyNameAlwaysDeny), policy == union.Policy(types.PermissionPolicyNameAlwaysAsk)
}

// first returns the first of two values that is there, and otherwise a third.
func first[T any](a, b *T, otherwise T) T {
	switch {
	case a != nil:
		return *a
	case b != nil:
		return *b
	}
	return otherwise
}

// enablesAny reports whether the toolset can enable a tool: otherwise its server is not asked.
func (t toolset) enablesAny() bool {
	if enabled, _ := t.policy(""); enabled { // no tool has this name: it is the default
		return true
	}
	for _, c := range t.set.Configs {
		if enabled, _ := t.policy(c.Name); enabled {
			return true
		}
	}
	return false
}
