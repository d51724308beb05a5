package operations

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/vault"
)

// checkTools checks what the contract's schemas cannot express about an agent's tools: names of MCP servers and of
// custom tools are unique, a toolset configures each tool once, the URLs of servers have a host and no password, and an MCP
// toolset names one of the servers, which no other toolset names.
func checkTools(spec store.AgentSpec) error {
	var tools []types.AgentTool
	var servers []struct{ Name, URL string }
	if err := json.Unmarshal(spec.Tools, &tools); err != nil {
		return err
	}
	if err := json.Unmarshal(spec.MCPServers, &servers); err != nil {
		return err
	}
	serverNames, toolNames, toolsets := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, server := range servers {
		if serverNames[server.Name] {
			return duplicate(fmt.Sprintf("mcp_servers[%d].name", i), server.Name)
		}
		serverNames[server.Name] = true
		if vault.MatchURL(server.URL) == "" {
			return invalidURL(fmt.Sprintf("mcp_servers[%d].url", i))
		}
	}
	for i, tool := range tools {
		switch tool := tool.AsAny().(type) {
		case types.BuiltinToolset:
			if err := checkConfigs(fmt.Sprintf("tools[%d].configs", i), tool.Configs, func(c types.NamedToolConfig) string { return string(c.Name) }, inLowerCase); err != nil {
				return err
			}
		case types.CustomTool:
			if toolNames[tool.Name] {
				return duplicate(fmt.Sprintf("tools[%d].name", i), tool.Name)
			}
			toolNames[tool.Name] = true
		case types.MCPToolset:
			param := fmt.Sprintf("tools[%d].mcp_server_name", i)
			if !serverNames[tool.MCPServerName] {
				return &contract.RequestError{Param: param, Message: fmt.Sprintf("Field '%s' must name one of mcp_servers; '%s' is not one of them.", param, tool.MCPServerName)}
			}
			if toolsets[tool.MCPServerName] {
				return duplicate(param, tool.MCPServerName)
			}
			toolsets[tool.MCPServerName] = true
			if err := checkConfigs(fmt.Sprintf("tools[%d].configs", i), tool.Configs, func(c types.MCPToolConfig) string { return c.Name }, exactly); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkConfigs checks that each tool is configured once at most; two names are the same tool when same returns one text for them.
func checkConfigs[C any](param string, configs []C, name func(C) string, same func(string) string) error {
	seen := map[string]bool{}
	for i, config := range configs {
		key := same(name(config))
		if seen[key] {
			return duplicate(fmt.Sprintf("%s[%d].name", param, i), name(config))
		}
		seen[key] = true
	}
	return nil
}

// exactly is for names that are the same only when they are equal.
func exactly(name string) string { return name }

// inLowerCase is for names of built-in tools, which have two spellings, such as WebFetch and web_fetch.
func inLowerCase(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "") }

func duplicate(param, name string) error {
	return &contract.RequestError{Param: param, Message: fmt.Sprintf("Field '%s' must be unique; '%s' is used twice.", param, name)}
}
