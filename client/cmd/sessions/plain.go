package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// noun is a kind of record. What its plain commands have in common follows from it and from their verbs.
type noun struct {
	name     string // ends the names of the contract's operations: Agent, for getAgent
	plural   string // ends the name of the operation that lists records: Agents, for listAgents
	complete cobra.CompletionFunc
}

func (a *app) sessionNoun() noun {
	return noun{name: "Session", plural: "Sessions", complete: a.suggestSessions()}
}

func (a *app) agentNoun() noun {
	return noun{name: "Agent", plural: "Agents", complete: a.suggestAgents()}
}

func (a *app) environmentNoun() noun {
	return noun{name: "Environment", plural: "Environments", complete: a.suggestEnvironments()}
}

func (a *app) resourceNoun() noun {
	return noun{name: "SessionResource", plural: "SessionResources", complete: a.suggestSessions()} // the session is the first argument
}

// helpText is what the help of a command says. Use begins with the verb.
type helpText struct{ use, short, long, example string }

// shortNames are other names of verbs.
var shortNames = map[string][]string{"list": {"ls"}, "delete": {"rm"}}

// command returns a command without its action. One that changes something has the flag for an idempotency key.
func (n noun) command(h helpText) *cobra.Command {
	verb, _, named := strings.Cut(h.use, " ")
	operation := verb + n.name
	switch verb {
	case "list", "add":
		operation = verb + n.plural
	}
	cmd := &cobra.Command{
		Use: h.use, Aliases: shortNames[verb], Short: h.short, Long: h.long, Example: h.example,
		Annotations: calls(operation), Args: arguments,
	}
	if named {
		cmd.ValidArgsFunction = argument(n.complete)
	}
	switch verb {
	case "get", "list":
		return cmd
	}
	return writes(cmd)
}

// call is a method of the client that takes an id.
type call[T any] = func(ctx context.Context, id string, opts ...client.Option) (*T, error)

// byID makes cmd call a method with the id that is its argument, and show the response.
func byID[T any](a *app, cmd *cobra.Command, v view[T], method func(c *client.Client) call[T]) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return perform(a, cmd, v, func(ctx context.Context, c *client.Client, opts ...client.Option) (*T, error) {
			return method(c)(ctx, args[0], opts...)
		})
	}
	return cmd
}

// deletedView shows the id of a record that was deleted.
func deletedView[T any](heading string, id func(*T) string) view[T] {
	return view[T]{id: id, columns: []column[T]{{name: heading, text: id}}}
}
