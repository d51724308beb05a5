// Package policy tells which tools of a toolset an agent may use (decision "MCP tools"). It imports only the contract's types.
package policy

import "github.com/cloud-sessions/sessions/gen/types"

// Policy is what an agent may do with a tool.
type Policy struct {
	// Offered reports whether the agent may use the tool, Ask whether each use needs the confirmation of a user.
	Offered, Ask bool
}

// Of returns the policy that configurations of a tool make, from the most general one to the tool's own; nil stands for one
// that there is not. Each field of a later one replaces that of an earlier one. Without any the tool is offered, and need not
// be asked for.
func Of(configs ...*types.ToolConfig) Policy {
	enabled, name := true, types.PermissionPolicyNameAlwaysAllow
	for _, c := range configs {
		if c != nil && c.Enabled != nil {
			enabled = *c.Enabled
		}
		if c != nil && c.PermissionPolicy != nil {
			name = types.PermissionPolicyName(*c.PermissionPolicy)
		}
	}
	return Policy{Offered: enabled && name != types.PermissionPolicyNameAlwaysDeny, Ask: name == types.PermissionPolicyNameAlwaysAsk}
}
