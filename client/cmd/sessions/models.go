package main

import (
	"context"
	"fmt"
	"slices"
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

// remarkOnModel says that the server does not list the model of an agent, or that it is not enabled. The server may know the
// model all the same. Where the models cannot be listed it says nothing.
func remarkOnModel(ctx context.Context, a *app, c *client.Client, record any) {
	agent, ok := record.(*client.Agent)
	if !ok {
		return
	}
	models, err := listModels(ctx, c, client.WithMaxRetries(0))
	if err != nil {
		return
	}
	at := slices.IndexFunc(models, func(m client.Model) bool { return m.ID == agent.Model })
	switch {
	case at < 0:
		fmt.Fprintln(a.err, "sessions:", oneLine(fmt.Sprintf("the server does not list the model %q, so that turns of the agent may fail; 'sessions models list' shows the models", agent.Model)))
	case !models[at].IsEnabled:
		fmt.Fprintln(a.err, "sessions:", oneLine(fmt.Sprintf("the model %q is not enabled, so that turns of the agent may fail; 'sessions models list' shows the models", agent.Model)))
	}
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
