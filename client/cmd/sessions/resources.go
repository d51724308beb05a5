package main

import (
	"context"
	"time"

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
		id: func(r *client.SessionResource) string { return attachmentOf(r).id },
		columns: []column[client.SessionResource]{
			{name: "ID", text: func(r *client.SessionResource) string { return attachmentOf(r).id }},
			{name: "OF", text: func(r *client.SessionResource) string { return attachmentOf(r).of }},
			{name: "PATH", text: func(r *client.SessionResource) string { return attachmentOf(r).path }},
			{name: "CREATED", text: func(r *client.SessionResource) string { return moment(attachmentOf(r).created) }},
		},
	}
}

// attachment is what tables show of a session resource; of is the file or the memory store.
type attachment struct {
	id, of, path string
	created      *time.Time
}

func attachmentOf(r *client.SessionResource) attachment {
	switch r := r.AsAny().(type) {
	case client.FileResource:
		return attachment{r.ID, r.FileID, r.MountPath, &r.CreatedAt}
	case client.MemoryStoreResource:
		return attachment{r.ID, r.MemoryStoreID, r.MountPath, &r.CreatedAt}
	}
	return attachment{} // of a newer server
}

func (a *app) addResources() *cobra.Command {
	cmd, _ := a.newCommand(operation{id: "addSessionResources", writes: true})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		files := make([]client.FileResourceInput, len(args)-1)
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
