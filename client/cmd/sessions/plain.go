package main

import (
	"cmp"
	"context"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// operation is what the generated code knows of an operation of the contract.
type operation struct {
	id      string
	use     string // the command with its arguments
	short   string
	long    string
	example string
	fields  []field
	body    bool // the fields are those of a body
	writes  bool // the request may have an idempotency key
}

// fills add to the fields of a change to a record what the server knows, by the operation.
var fills = map[string]func(ctx context.Context, c *client.Client, id string, doc map[string]any) error{
	"updateAgent": latestVersion,
}

// remarks say of a record that a command has written what its caller may not have meant, on standard error, by the operation.
var remarks = map[string]func(ctx context.Context, a *app, c *client.Client, record any){
	"createAgent": remarkOnModel,
	"updateAgent": remarkOnModel,
}

// shortNames are other names of verbs.
var shortNames = map[string][]string{"list": {"ls"}, "delete": {"rm"}}

// newCommand returns the command of an operation without its action, and its input. helpTexts and flagTexts improve on
// what the contract says.
func (a *app) newCommand(op operation) (*cobra.Command, *input) {
	h := helpTexts[op.id]
	use := cmp.Or(h.use, op.use)
	verb, names, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Aliases: shortNames[verb], Short: cmp.Or(h.short, op.short), Long: cmp.Or(h.long, op.long), Example: cmp.Or(h.example, "  "+op.example),
		Annotations: map[string]string{operationAnnotation: op.id}, Args: arguments,
	}
	first, _, _ := strings.Cut(names, " ")
	if complete := a.suggest(strings.ToLower(first)); complete != nil {
		cmd.ValidArgsFunction = argument(complete)
	}
	if op.writes {
		addKey(cmd)
	}
	if isFinal(cmd) {
		addYes(cmd)
	}
	in := a.newInput(cmd, op.body, verb == "update")
	for _, f := range op.fields {
		if f, shown := improved(op.id, f); shown {
			in.add(f)
		}
	}
	return cmd, in
}

// single returns a command that makes one call and shows the response.
func single[In, T any](a *app, op operation, v view[T], call func(ctx context.Context, c *client.Client, args []string, in *In, opts ...client.Option) (*T, error)) *cobra.Command {
	cmd, in := a.newCommand(op)
	in.record = reflect.TypeFor[T]()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		doc, err := in.read(reflect.TypeFor[In]())
		if err != nil {
			return err
		}
		if err := a.confirm(cmd, args); err != nil {
			return err
		}
		var used *client.Client
		record, err := response(a, cmd, func(ctx context.Context, c *client.Client, opts ...client.Option) (*T, error) {
			used = c
			if fill := fills[op.id]; fill != nil {
				if err := fill(ctx, c, args[0], doc); err != nil {
					return nil, err
				}
			}
			req, err := decode[In](cmd, doc)
			if err != nil {
				return nil, err
			}
			return call(ctx, c, args, req, opts...)
		})
		if err != nil {
			return err
		}
		if remark := remarks[op.id]; remark != nil {
			remark(cmd.Context(), a, used, record)
		}
		return show(a, v, record)
	}
	return cmd
}

// paged returns a command that shows a list, page by page.
func paged[In, T any](a *app, op operation, v view[T], call func(ctx context.Context, c *client.Client, args []string, in *In, opts ...client.Option) (*client.Page[T], error)) *cobra.Command {
	cmd, in := a.newCommand(op)
	size := addListSize(cmd)
	cmd.MarkFlagsMutuallyExclusive("after", "before")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := size.check(); err != nil {
			return err
		}
		doc, err := in.read(reflect.TypeFor[In]())
		if err != nil {
			return err
		}
		doc["limit"] = size.page()
		show := list[T]
		if op.id == "listEvents" && a.showsLatest(size, doc) {
			doc["order"], show = "desc", listLatest[T]
		}
		params, err := decode[In](cmd, doc)
		if err != nil {
			return err
		}
		return show(cmd.Context(), a, size, v, func(ctx context.Context, c *client.Client) (*client.Page[T], error) {
			return call(ctx, c, args, params)
		})
	}
	return cmd
}

// deletedView shows the id of a record that was deleted.
func deletedView[T any](heading string, id func(*T) string) view[T] {
	return view[T]{id: id, columns: []column[T]{{name: heading, text: id}}}
}
