package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// agents holds the commands on agents.
func (a *app) agents() *cobra.Command {
	return group("agents", "Create, show and change agents",
		a.createAgent(), a.getAgent(), a.listAgents(), a.listAgentVersions(), a.updateAgent(), a.archiveAgent(), a.deleteAgent())
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
			{name: "CREATED", text: func(v *client.Agent) string { return moment(&v.CreatedAt) }, detail: true},
			{name: "UPDATED", text: func(v *client.Agent) string { return moment(&v.UpdatedAt) }},
			{name: "ARCHIVED", text: func(v *client.Agent) string { return moment(v.ArchivedAt) }, detail: true},
		},
	}
}

// agentBody adds the flags of what an agent is.
func (a *app) agentBody(cmd *cobra.Command, patch bool) *body {
	b := a.newBody(cmd, patch)
	b.text("name", "name", "name of the agent")
	b.text("model", "model", "`ID` of the model; see 'sessions models list'")
	b.text("description", "description", "what the agent is used for")
	b.text("system", "system", "system prompt of the agent")
	b.text("default-environment", "default_environment", "`ID` of the agent's default environment")
	b.metadata()
	_ = cmd.RegisterFlagCompletionFunc("model", a.suggestModels())
	_ = cmd.RegisterFlagCompletionFunc("default-environment", a.suggestEnvironments())
	return b
}

func (a *app) createAgent() *cobra.Command {
	cmd := a.agentNoun().command(helpText{
		use:   "create",
		short: "Create an agent",
		long: `Creates version 1 of an agent. Tools, MCP servers and skills are read from a file:

  name: release-notes
  model: auto
  tools:
    - type: agent_toolset_20260401
      enabled_tools: [Read, Grep]`,
		example: `  sessions agents create --name notes --model auto --system "You write release notes."
  sessions agents create --file agent.yaml --metadata team=docs
  sessions agents get agent_019e390add9f7bac9b6cc806db46fcbd -o json |
    jq '{name, model, system, tools}' | sessions agents create --file - --name copy`,
	})
	b := a.agentBody(cmd, false)
	return sends(b, agentView(), nil, func(ctx context.Context, c *client.Client, _ string, req *client.CreateAgentRequest, opts ...client.Option) (*client.Agent, error) {
		return c.Agents.Create(ctx, req, opts...)
	})
}

func (a *app) getAgent() *cobra.Command {
	var version int32
	cmd := byID(a, a.agentNoun().command(helpText{
		use:   "get AGENT",
		short: "Show an agent",
		example: `  sessions agents get agent_019e390add9f7bac9b6cc806db46fcbd
  sessions agents get agent_019e390add9f7bac9b6cc806db46fcbd --version 1 -o yaml`,
	}), agentView(), func(c *client.Client) call[client.Agent] {
		return func(ctx context.Context, id string, opts ...client.Option) (*client.Agent, error) {
			params := &client.GetAgentParams{}
			if version != 0 {
				params.Version = &version
			}
			return c.Agents.Get(ctx, id, params, opts...)
		}
	})
	cmd.Flags().Int32Var(&version, "version", 0, "the version to show (default: the latest)")
	_ = cmd.Flags().SetAnnotation("version", paramAnnotation, []string{"version"})
	return cmd
}

func (a *app) listAgents() *cobra.Command {
	cmd := a.agentNoun().command(helpText{
		use:   "list",
		short: "List agents",
		long:  "Lists agents in their latest version, newest first by default. Archived ones are omitted by default.",
		example: `  sessions agents list
  sessions agents list --all -o jsonl | jq -r 'select(.model == "auto") | .id'`,
	})
	f := newListFlags(cmd).withArchived()
	cmd.RunE = func(*cobra.Command, []string) error {
		return list(a, f, agentView(), func(ctx context.Context, c *client.Client) (*client.Page[client.Agent], error) {
			return c.Agents.List(ctx, &client.ListAgentsParams{
				Limit: f.pageSize(), AfterID: optional[string](f.after), BeforeID: optional[string](f.before),
				Order: optional[client.ListOrder](f.sort), IncludeArchived: &f.archived,
			})
		})
	}
	return cmd
}

func (a *app) listAgentVersions() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "versions AGENT",
		Short:             "List the versions of an agent",
		Long:              "Lists the versions of an agent, newest first by default. --after and --before accept version numbers.",
		Example:           "  sessions agents versions agent_019e390add9f7bac9b6cc806db46fcbd",
		Annotations:       calls("listAgentVersions"),
		Args:              arguments,
		ValidArgsFunction: argument(a.suggestAgents()),
	}
	f := newListFlags(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return list(a, f, agentView(), func(ctx context.Context, c *client.Client) (*client.Page[client.Agent], error) {
			return c.Agents.ListVersions(ctx, args[0], &client.ListAgentVersionsParams{
				Limit: f.pageSize(), AfterID: optional[string](f.after), BeforeID: optional[string](f.before),
				Order: optional[client.ListOrder](f.sort),
			})
		})
	}
	return cmd
}

func (a *app) updateAgent() *cobra.Command {
	cmd := a.agentNoun().command(helpText{
		use:   "update AGENT",
		short: "Create a new version of an agent",
		long: `Creates a new version of an agent; sessions keep the version that they were created with. Omitted fields keep
their values; a list, such as the tools, is replaced completely.

The change is based on --version, or on the version in the file, and fails with a conflict if a later version
exists. By default it is based on the latest version.`,
		example: `  sessions agents update agent_019e390add9f7bac9b6cc806db46fcbd --model ultimate
  sessions agents update agent_019e390add9f7bac9b6cc806db46fcbd --version 2 --file tools.yaml`,
	})
	b := a.agentBody(cmd, true)
	b.number("version", "version", "the version that the change is based on (default: the latest)")
	return sends(b, agentView(), latestVersion, func(ctx context.Context, c *client.Client, id string, req *client.UpdateAgentRequest, opts ...client.Option) (*client.Agent, error) {
		return c.Agents.Update(ctx, id, req, opts...)
	})
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

func (a *app) archiveAgent() *cobra.Command {
	return byID(a, a.agentNoun().command(helpText{
		use:   "archive AGENT",
		short: "Archive an agent permanently",
		long: `Archives an agent permanently. Lists omit it by default and new sessions cannot use it; sessions that already
use it continue. Archiving an archived agent has no effect.`,
		example: "  sessions agents archive agent_019e390add9f7bac9b6cc806db46fcbd",
	}), agentView(), func(c *client.Client) call[client.Agent] { return c.Agents.Archive })
}

func (a *app) deleteAgent() *cobra.Command {
	return byID(a, a.agentNoun().command(helpText{
		use:     "delete AGENT",
		short:   "Delete an agent and its versions permanently",
		long:    "Deletes an agent and its versions permanently. Sessions keep the agent that they were created with.",
		example: "  sessions agents delete agent_019e390add9f7bac9b6cc806db46fcbd",
	}), deletedView("DELETED", func(v *client.DeletedAgent) string { return v.ID }), func(c *client.Client) call[client.DeletedAgent] { return c.Agents.Delete })
}
