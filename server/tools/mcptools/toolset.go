package mcptools

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tools/policy"
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

// policyOf returns what the agent may do with a tool.
func (t toolset) policyOf(tool string) policy.Policy {
	configs := []*types.ToolConfig{t.set.DefaultConfig}
	for _, c := range t.set.Configs {
		if c.Name == tool {
			configs = append(configs, &types.ToolConfig{Enabled: c.Enabled, PermissionPolicy: c.PermissionPolicy})
		}
	}
	return policy.Of(configs...)
}

// enablesAny reports whether the toolset can offer a tool: otherwise its server is not asked.
func (t toolset) enablesAny() bool {
	return policy.Of(t.set.DefaultConfig).Offered ||
		slices.ContainsFunc(t.set.Configs, func(c types.MCPToolConfig) bool { return t.policyOf(c.Name).Offered })
}
