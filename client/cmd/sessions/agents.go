package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// agents holds the commands on agents.
func (a *app) agents() *cobra.Command {
	return group("agents", "Create, show and change agents", a.plainAgentCommands()...)
}

func agentView() view[client.Agent] {
	return view[client.Agent]{
		id: func(v *client.Agent) string { return v.ID },
		columns: []column[client.Agent]{
			{name: "ID", text: func(v *client.Agent) string { return v.ID }},
			{name: "NAME", text: func(v *client.Agent) string { return v.Name }},
			{name: "VERSION", text: func(v *client.Agent) string { return strconv.Itoa(int(v.Version)) }},
			{name: "MODEL", text: func(v *client.Agent) string { return v.Model }},
			{name: "DESCRIPTION", text: func(v *client.Agent) string { return v.Description }, detail: true},
			{name: "SYSTEM", text: func(v *client.Agent) string { return v.System }, detail: true},
			{name: "TOOLS", text: func(v *client.Agent) string { return count(len(v.Tools)) }, detail: true},
			{name: "MCP SERVERS", text: func(v *client.Agent) string { return count(len(v.MCPServers)) }, detail: true},
			{name: "SKILLS", text: func(v *client.Agent) string { return count(len(v.Skills)) }, detail: true},
			{name: "METADATA", text: func(v *client.Agent) string { return pairsOf(v.Metadata) }, detail: true},
			{name: "CREATED", at: func(v *client.Agent) *time.Time { return &v.CreatedAt }, detail: true},
			{name: "UPDATED", at: func(v *client.Agent) *time.Time { return &v.UpdatedAt }},
			{name: "ARCHIVED", at: func(v *client.Agent) *time.Time { return v.ArchivedAt }, detail: true},
		},
	}
}

// latestVersion bases a change on the latest version unless it names another.
func latestVersion(ctx context.Context, c *client.Client, id string, doc map[string]any) error {
	if _, based := doc["version"]; based {
		return nil
	}
	agent, err := c.Agents.Get(ctx, id, nil)
	if err == nil {
		doc["version"] = agent.Version
	}
	return err
}
