package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// resources holds the commands on the files of sessions.
func (a *app) resources() *cobra.Command {
	return group("resources", "Add, show and remove the files of a session",
		a.addResources(), a.getResource(), a.listResources(), a.deleteResource())
}

func resourceView() view[client.SessionResource] {
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
	cmd := a.resourceNoun().command(helpText{
		use:   "add SESSION FILE...",
		short: "Add files to a session",
		long: `Adds files to a session, all or none, and lists the session's files. A file is FILE_ID, or FILE_ID:PATH to set
the path at which the agent finds it.`,
		example: `  sessions resources add sess_019e3bb1e8c171fd9abbb1477ffb84cc file_019e3b0fa5cb7e0a8a40d2f7c9b1e36d
  sessions resources add sess_019e3bb1e8c171fd9abbb1477ffb84cc file_019e3b0fa5cb7e0a8a40d2f7c9b1e36d:/mnt/report.csv`,
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		files := make([]client.SessionResourceInput, len(args)-1)
		for i, text := range args[1:] {
			files[i] = fileInput(text)
		}
		stop := a.err.spin("waiting for the server")
		session, err := c.Sessions.Resources.AddAll(cmd.Context(), args[0], files, options(cmd)...)
		stop()
		if err != nil {
			return err
		}
		return showAll(a, resourceView(), session.Resources)
	}
	return cmd
}

func (a *app) listResources() *cobra.Command {
	cmd := a.resourceNoun().command(helpText{
		use:     "list SESSION",
		short:   "List the files of a session",
		example: "  sessions resources list sess_019e3bb1e8c171fd9abbb1477ffb84cc",
	})
	f := newListFlags(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return list(a, f, resourceView(), func(ctx context.Context, c *client.Client) (*client.Page[client.SessionResource], error) {
			return c.Sessions.Resources.List(ctx, args[0], &client.ListSessionResourcesParams{
				Limit: f.pageSize(), AfterID: optional[string](f.after), BeforeID: optional[string](f.before),
				Order: optional[client.ListOrder](f.sort),
			})
		})
	}
	return cmd
}

func (a *app) getResource() *cobra.Command {
	cmd := a.resourceNoun().command(helpText{
		use:     "get SESSION RESOURCE",
		short:   "Show a file of a session",
		example: "  sessions resources get sess_019e3bb1e8c171fd9abbb1477ffb84cc sesr_019e3b12e4fa7c5fb132d9a4e6c7f8b0",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return perform(a, cmd, resourceView(), func(ctx context.Context, c *client.Client, opts ...client.Option) (*client.SessionResource, error) {
			return c.Sessions.Resources.Get(ctx, args[0], args[1], opts...)
		})
	}
	return cmd
}

func (a *app) deleteResource() *cobra.Command {
	cmd := a.resourceNoun().command(helpText{
		use:     "delete SESSION RESOURCE",
		short:   "Remove a file from a session",
		long:    "Removes a file from a session. The file itself is not deleted.",
		example: "  sessions resources delete sess_019e3bb1e8c171fd9abbb1477ffb84cc sesr_019e3b12e4fa7c5fb132d9a4e6c7f8b0",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return perform(a, cmd, deletedView("REMOVED", func(r *client.DeletedSessionResource) string { return r.ID }), func(ctx context.Context, c *client.Client, opts ...client.Option) (*client.DeletedSessionResource, error) {
			return c.Sessions.Resources.Delete(ctx, args[0], args[1], opts...)
		})
	}
	return cmd
}
