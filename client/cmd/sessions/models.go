package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// models holds the commands on models.
func (a *app) models() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the models that agents can use",
		Example: `  sessions models list
  sessions models list -o json | jq -r '.[] | select(.is_enabled) | .id'`,
		Annotations: calls("listModels"),
		Args:        arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			stop := a.err.spin("waiting for the server")
			models, err := c.Models.List(cmd.Context())
			stop()
			if err != nil {
				return err
			}
			return showAll(a, modelView(), models.Data)
		},
	}
	return group("models", "List the models that agents can use", cmd)
}

func modelView() view[client.Model] {
	return view[client.Model]{
		id: func(m *client.Model) string { return m.ID },
		columns: []column[client.Model]{
			{name: "ID", text: func(m *client.Model) string { return m.ID }},
			{name: "NAME", text: func(m *client.Model) string { return m.DisplayName }},
			{name: "SOURCE", text: func(m *client.Model) string { return string(m.Source) }},
			{name: "ENABLED", text: func(m *client.Model) string { return strconv.FormatBool(m.IsEnabled) }},
			{name: "EFFORTS", text: func(m *client.Model) string { return strings.Join(m.Efforts, ",") }},
			{name: "CONTEXT WINDOW", text: func(m *client.Model) string { return strconv.FormatInt(m.DefaultContextWindow, 10) }},
		},
	}
}
