package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// resources holds the commands on the files of sessions.
func (a *app) resources() *cobra.Command {
	cmd := group("resources", "Add, show and remove the files of a session", a.plainSessionResourceCommands()...)
	cmd.AddCommand(a.addResources())
	return cmd
}

func sessionResourceView() view[client.SessionResource] {
	return view[client.SessionResource]{
		id: func(r *client.SessionResource) string { return r.ID },
		columns: []column[client.SessionResource]{
			{name: "ID", text: func(r *client.SessionResource) string { return r.ID }},
			{name: "FILE", text: func(r *client.SessionResource) string { return r.FileID }},
			{name: "PATH", text: func(r *client.SessionResource) string { return r.MountPath }},
			{name: "CREATED", text: func(r *client.SessionResource) string { return moment(&r.CreatedAt) }},
		},
	}
}

func (a *app) addResources() *cobra.Command {
	cmd, _ := a.newCommand(operation{id: "addSessionResources", writes: true})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		files := make([]client.SessionResourceInput, len(args)-1)
		for i, text := range args[1:] {
			files[i] = fileInput(text)
		}
		return performAll(a, cmd, sessionResourceView(), func(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.SessionResource, error) {
			session, err := c.Sessions.Resources.AddAll(ctx, args[0], files, opts...)
			if err != nil {
				return nil, err
			}
			return session.Resources, nil
		})
	}
	return cmd
}
