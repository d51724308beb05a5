package client

import "github.com/cloud-sessions/sessions/gen/types"

// NewAgentTool returns an [AgentTool]; its Type need not be set.
func NewAgentTool[T BuiltinToolset | CustomTool | MCPToolset](tool T) AgentTool {
	return types.NewAgentTool(tool)
}

// NewMCPServer returns an [MCPServer]; its Type need not be set.
func NewMCPServer[T MCPServerURL | MCPServerHTTP](server T) MCPServer {
	return types.NewMCPServer(server)
}

// NewEnvironmentConfig returns an [EnvironmentConfig]; its Type need not be set.
func NewEnvironmentConfig[T CloudConfig | SelfHostedConfig](config T) EnvironmentConfig {
	return types.NewEnvironmentConfig(config)
}

// NewRubric returns a [Rubric]; its Type need not be set.
func NewRubric[T RubricText | RubricFile](rubric T) Rubric { return types.NewRubric(rubric) }
