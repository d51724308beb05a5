package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// completionTime bounds how long a shell waits for suggestions.
const completionTime = 3 * time.Second

// newest completes ids with the newest records of a list; label says which is which.
func newest[T any](a *app, fetch func(ctx context.Context, c *client.Client, opts ...client.Option) ([]T, error), id, label func(*T) string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := a.connect(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		records, err := fetch(ctx, c, client.WithMaxRetries(0))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words := make([]cobra.Completion, len(records))
		for i := range records {
			words[i] = cobra.CompletionWithDesc(id(&records[i]), oneLine(label(&records[i])))
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// suggest completes the flag or the argument of a name; nil for one that has no suggestions.
func (a *app) suggest(name string) cobra.CompletionFunc {
	switch name {
	case "session":
		return a.suggestSessions()
	case "agent":
		return a.suggestAgents()
	case "environment", "default-environment":
		return a.suggestEnvironments()
	case "memory_store", "memory-store", "store":
		return a.suggestMemoryStores()
	case "model":
		return a.suggestModels()
	}
	return nil
}

// argument completes the first argument only.
func argument(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, toComplete)
	}
}

// records is the data of a page.
func records[T any](page *client.Page[T], err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return page.Data, nil
}

func (a *app) suggestSessions() cobra.CompletionFunc {
	return newest(a, func(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.Session, error) {
		return records(c.Sessions.List(ctx, &client.ListSessionsParams{Limit: new(int32(largestPage))}, opts...))
	}, func(s *client.Session) string { return s.ID }, func(s *client.Session) string { return s.Title })
}

func (a *app) suggestAgents() cobra.CompletionFunc {
	return newest(a, func(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.Agent, error) {
		return records(c.Agents.List(ctx, &client.ListAgentsParams{Limit: new(int32(largestPage))}, opts...))
	}, func(v *client.Agent) string { return v.ID }, func(v *client.Agent) string { return v.Name })
}

func (a *app) suggestEnvironments() cobra.CompletionFunc {
	return newest(a, func(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.Environment, error) {
		return records(c.Environments.List(ctx, &client.ListEnvironmentsParams{Limit: new(int32(largestPage))}, opts...))
	}, func(e *client.Environment) string { return e.ID }, func(e *client.Environment) string { return e.Name })
}

func (a *app) suggestModels() cobra.CompletionFunc {
	return newest(a, listModels, func(m *client.Model) string { return m.ID }, func(m *client.Model) string { return m.DisplayName })
}
