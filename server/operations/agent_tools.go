package operations

import (
	"encoding/json"
	"fmt"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

// checkTools checks what the contract's schemas cannot express about an agent's tools: names of MCP servers and of
// custom tools are unique, and an MCP toolset names one of the servers.
func checkTools(spec store.AgentSpec) error {
	var tools []types.AgentTool
	var servers []struct{ Name string }
	if err := json.Unmarshal(spec.Tools, &tools); err != nil {
		return err
	}
	if err := json.Unmarshal(spec.MCPServers, &servers); err != nil {
		return err
	}
	serverNames, toolNames := map[string]bool{}, map[string]bool{}
	for i, server := range servers {
		if serverNames[server.Name] {
			return duplicate(fmt.Sprintf("mcp_servers[%d].name", i), server.Name)
		}
		serverNames[server.Name] = true
	}
	for i, tool := range tools {
		switch tool := tool.AsAny().(type) {
		case types.CustomTool:
			if toolNames[tool.Name] {
				return duplicate(fmt.Sprintf("tools[%d].name", i), tool.Name)
			}
			toolNames[tool.Name] = true
		case types.MCPToolset:
			if !serverNames[tool.MCPServerName] {
				param := fmt.Sprintf("tools[%d].mcp_server_name", i)
				return &contract.RequestError{Param: param, Message: fmt.Sprintf("Field '%s' must name one of mcp_servers; '%s' is not one of them.", param, tool.MCPServerName)}
			}
		}
	}
	return nil
}

func duplicate(param, name string) error {
	return &contract.RequestError{Param: param, Message: fmt.Sprintf("Field '%s' must be unique; '%s' is used twice.", param, name)}
}
