package client

import "fmt"

// NewAgentTool makes an [AgentTool]; its Type need not be set. A tool that JSON cannot hold, such as one whose
// InputSchema is no JSON, makes the call that sends it fail with [ErrInvalidRequest].
func NewAgentTool[T BuiltinToolset | CustomTool | MCPToolset](tool T) AgentTool {
	var out AgentTool
	var err error
	switch v := any(tool).(type) {
	case BuiltinToolset:
		err = out.FromBuiltinToolset(v)
	case CustomTool:
		err = out.FromCustomTool(v)
	case MCPToolset:
		err = out.FromMCPToolset(v)
	}
	spoil(&out, err)
	return out
}

// NewMCPServer makes an [MCPServer]; its Type need not be set.
func NewMCPServer[T MCPServerURL | MCPServerHTTP](server T) MCPServer {
	var out MCPServer
	var err error
	switch v := any(server).(type) {
	case MCPServerURL:
		err = out.FromMCPServerURL(v)
	case MCPServerHTTP:
		err = out.FromMCPServerHTTP(v)
	}
	spoil(&out, err)
	return out
}

// NewEnvironmentConfig makes an [EnvironmentConfig]; its Type need not be set.
func NewEnvironmentConfig[T CloudConfig | SelfHostedConfig](config T) EnvironmentConfig {
	var out EnvironmentConfig
	var err error
	switch v := any(config).(type) {
	case CloudConfig:
		err = out.FromCloudConfig(v)
	case SelfHostedConfig:
		err = out.FromSelfHostedConfig(v)
	}
	spoil(&out, err)
	return out
}

// NewRubric makes a [Rubric]; its Type need not be set.
func NewRubric[T RubricText | RubricFile](rubric T) Rubric {
	var out Rubric
	var err error
	switch v := any(rubric).(type) {
	case RubricText:
		err = out.FromRubricText(v)
	case RubricFile:
		err = out.FromRubricFile(v)
	}
	spoil(&out, err)
	return out
}

// spoil makes a union that could not be made fail to be encoded, so that the mistake is reported by the
// call and a constructor can stand in a literal.
func spoil(union interface{ UnmarshalJSON([]byte) error }, err error) {
	if err != nil {
		_ = union.UnmarshalJSON(fmt.Appendf(nil, "invalid: %v", err))
	}
}
