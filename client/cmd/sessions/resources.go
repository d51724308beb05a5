package main

import (
	"cmp"
	"context"
	"encoding/json"
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
		id: func(r *client.SessionResource) string { return attachmentOf(r).ID },
		columns: []column[client.SessionResource]{
			{name: "ID", text: func(r *client.SessionResource) string { return attachmentOf(r).ID }},
			{name: "OF", text: func(r *client.SessionResource) string {
				return cmp.Or(attachmentOf(r).FileID, attachmentOf(r).MemoryStoreID)
			}, whole: true, drop: 1},
			{name: "PATH", text: func(r *client.SessionResource) string { return attachmentOf(r).MountPath }},
			{name: "CREATED", at: func(r *client.SessionResource) *time.Time { return new(attachmentOf(r).CreatedAt) }},
		},
	}
}

// attachment is what tables show of a session resource.
type attachment struct {
	ID            string
	FileID        string    `json:"file_id"`
	MemoryStoreID string    `json:"memory_store_id"`
	MountPath     string    `json:"mount_path"`
	CreatedAt     time.Time `json:"created_at"`
}

// attachmentOf returns what a session resource has of that, also one of a newer server.
func attachmentOf(r *client.SessionResource) (of attachment) {
	data, err := r.MarshalJSON()
	if err == nil {
		_ = json.Unmarshal(data, &of) // what it lacks is not shown
	}
	return of
}

func (a *app) addResources() *cobra.Command {
	cmd, _ := a.newCommand(operation{id: "addSessionResources", writes: true})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		files := make([]client.FileResourceInput, len(args)-1)
		for i, text := range args[1:] {
			file, err := fileInput(text)
			if err != nil {
				return err
			}
			files[i] = file
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
