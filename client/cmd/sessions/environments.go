package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// environments holds the commands on environments.
func (a *app) environments() *cobra.Command {
	cmd := group("environments", "Create, show and change environments, where agents run their tools",
		a.createEnvironment(), a.getEnvironment(), a.listEnvironments(), a.updateEnvironment(), a.archiveEnvironment(), a.deleteEnvironment())
	cmd.Aliases = []string{"envs"}
	return cmd
}

func environmentView() view[client.Environment] {
	return view[client.Environment]{
		id: func(e *client.Environment) string { return e.ID },
		columns: []column[client.Environment]{
			{name: "ID", text: func(e *client.Environment) string { return e.ID }},
			{name: "NAME", text: func(e *client.Environment) string { return e.Name }},
			{name: "STATUS", text: func(e *client.Environment) string { return string(e.Status) }, style: stateStyle},
			{name: "DESCRIPTION", text: func(e *client.Environment) string { return e.Description }, detail: true},
			{name: "CONFIG", text: configText, detail: true},
			{name: "METADATA", text: func(e *client.Environment) string { return pairsOf(e.Metadata) }, detail: true},
			{name: "CREATED", text: func(e *client.Environment) string { return moment(&e.CreatedAt) }},
			{name: "UPDATED", text: func(e *client.Environment) string { return moment(&e.UpdatedAt) }, detail: true},
			{name: "ARCHIVED", text: func(e *client.Environment) string { return moment(e.ArchivedAt) }, detail: true},
		},
	}
}

// configText is an environment's config on one line.
func configText(e *client.Environment) string {
	data, err := encodeJSON(e.Config, "", "")
	if err != nil {
		return ""
	}
	return string(data)
}

// environmentBody adds the flags of what an environment is.
func (a *app) environmentBody(cmd *cobra.Command, patch bool) *body {
	b := a.newBody(cmd, patch)
	b.text("name", "name", "name of the environment")
	b.text("description", "description", "what the environment is used for")
	b.text("type", "config.type", "who runs the containers: cloud (the service) or self_hosted")
	b.text("networking", "config.networking.type", "what containers may reach: unrestricted, limited or allowlist")
	b.list("allow-host", "config.networking.allowed_hosts", "allow containers to reach `HOST`; repeatable", nil)
	b.boolean("allow-mcp-servers", "config.networking.allow_mcp_servers", "allow containers with limited networking to reach the agent's MCP servers")
	b.boolean("allow-package-managers", "config.networking.allow_package_managers", "allow containers with limited networking to reach package registries")
	b.text("setup-script", "config.setup_script", "shell script that prepares a container")
	for _, manager := range []string{"apt", "cargo", "gem", "go", "npm", "pip"} {
		b.list(manager, "config.packages."+manager, "install `PACKAGE` with "+manager+"; repeatable", nil)
	}
	b.metadata()
	return b
}

func (a *app) createEnvironment() *cobra.Command {
	cmd := a.environmentNoun().command(helpText{
		use:   "create",
		short: "Create an environment",
		long:  "Creates an environment. Sessions can use it immediately.",
		example: `  sessions environments create --name default --type cloud --networking unrestricted
  sessions environments create --name ci --type cloud --networking limited --allow-host api.tracker.example --apt git
  sessions environments create --file environment.yaml`,
	})
	b := a.environmentBody(cmd, false)
	return sends(b, environmentView(), nil, func(ctx context.Context, c *client.Client, _ string, req *client.CreateEnvironmentRequest, opts ...client.Option) (*client.Environment, error) {
		return c.Environments.Create(ctx, req, opts...)
	})
}

func (a *app) getEnvironment() *cobra.Command {
	return byID(a, a.environmentNoun().command(helpText{
		use:     "get ENVIRONMENT",
		short:   "Show an environment",
		example: "  sessions environments get env_019e2590d33f711fabf42f2857cecd8a",
	}), environmentView(), func(c *client.Client) call[client.Environment] { return c.Environments.Get })
}

func (a *app) listEnvironments() *cobra.Command {
	cmd := a.environmentNoun().command(helpText{
		use:   "list",
		short: "List environments",
		long:  "Lists environments, newest first by default. Archived ones are omitted by default.",
		example: `  sessions environments list
  sessions environments list --include-archived -o json | jq -r '.[] | [.id, .status] | @tsv'`,
	})
	f := newListFlags(cmd).withArchived()
	cmd.RunE = func(*cobra.Command, []string) error {
		return list(a, f, environmentView(), func(ctx context.Context, c *client.Client) (*client.Page[client.Environment], error) {
			return c.Environments.List(ctx, &client.ListEnvironmentsParams{
				Limit: f.pageSize(), AfterID: optional[string](f.after), BeforeID: optional[string](f.before),
				Order: optional[client.ListOrder](f.sort), IncludeArchived: &f.archived,
			})
		})
	}
	return cmd
}

func (a *app) updateEnvironment() *cobra.Command {
	cmd := a.environmentNoun().command(helpText{
		use:   "update ENVIRONMENT",
		short: "Change an environment for future sessions",
		long: `Changes an environment for future sessions. Omitted fields keep their values, with one exception: setting any part
of the config replaces all of it, so set its type as well.`,
		example: `  sessions environments update env_019e2590d33f711fabf42f2857cecd8a --name checks
  sessions environments update env_019e2590d33f711fabf42f2857cecd8a --type cloud --networking unrestricted --pip numpy`,
	})
	b := a.environmentBody(cmd, true)
	return sends(b, environmentView(), nil, func(ctx context.Context, c *client.Client, id string, req *client.UpdateEnvironmentRequest, opts ...client.Option) (*client.Environment, error) {
		return c.Environments.Update(ctx, id, req, opts...)
	})
}

func (a *app) archiveEnvironment() *cobra.Command {
	return byID(a, a.environmentNoun().command(helpText{
		use:   "archive ENVIRONMENT",
		short: "Archive an environment permanently",
		long: `Archives an environment permanently. Lists omit it by default and new sessions cannot use it; sessions that
already use it continue. Archiving an archived environment is a conflict.`,
		example: "  sessions environments archive env_019e2590d33f711fabf42f2857cecd8a",
	}), environmentView(), func(c *client.Client) call[client.Environment] { return c.Environments.Archive })
}

func (a *app) deleteEnvironment() *cobra.Command {
	return byID(a, a.environmentNoun().command(helpText{
		use:     "delete ENVIRONMENT",
		short:   "Delete an environment permanently",
		long:    "Deletes an environment permanently. Deleting one that sessions refer to is a conflict: archive it instead.",
		example: "  sessions environments delete env_019e2590d33f711fabf42f2857cecd8a",
	}), deletedView("DELETED", func(e *client.DeletedEnvironment) string { return e.ID }), func(c *client.Client) call[client.DeletedEnvironment] { return c.Environments.Delete })
}
