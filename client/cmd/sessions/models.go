package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// models holds the commands on models.
func (a *app) models() *cobra.Command {
	cmd, _ := a.newCommand(operation{id: "listModels"})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return performAll(a, cmd, modelView(), listModels)
	}
	return group("models", "List the models that agents can use", cmd)
}

// listModels returns all models.
func listModels(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.Model, error) {
	list, err := c.Models.List(ctx, opts...)
	if err != nil {
		return nil, err
	}
	return list.Data, nil
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
