package main

import (
	"github.com/spf13/cobra"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// environments holds the commands on environments.
func (a *app) environments() *cobra.Command {
	cmd := group("environments", "Create, show and change environments, where agents run tools", a.plainEnvironmentCommands()...)
	cmd.Aliases = []string{"envs"}
	return cmd
}

// keys holds the commands on the keys of environments.
func (a *app) keys() *cobra.Command {
	return group("keys", "Create, list and delete the keys of an environment's workers", a.plainEnvironmentKeyCommands()...)
}

// work holds the commands on the work of workers.
func (a *app) work() *cobra.Command {
	return group("work", "Show the work that environments have for workers", a.plainWorkCommands()...)
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
			{name: "CREATED", at: func(e *client.Environment) *time.Time { return &e.CreatedAt }},
			{name: "UPDATED", at: func(e *client.Environment) *time.Time { return &e.UpdatedAt }, detail: true},
			{name: "ARCHIVED", at: func(e *client.Environment) *time.Time { return e.ArchivedAt }, detail: true},
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
