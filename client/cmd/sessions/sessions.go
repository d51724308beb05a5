package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// sessionCommands are the commands on sessions.
func (a *app) sessionCommands() []*cobra.Command {
	return slices.Concat(a.plainSessionCommands(), a.plainEventCommands(), []*cobra.Command{
		a.cancelSession(), a.chat(), a.sendEvents(), a.tailEvents(), a.resources(),
	})
}

func sessionView() view[client.Session] {
	return view[client.Session]{
		id: func(s *client.Session) string { return s.ID },
		columns: []column[client.Session]{
			{name: "ID", text: func(s *client.Session) string { return s.ID }},
			{name: "STATUS", text: func(s *client.Session) string { return string(s.Status) }, style: stateStyle},
			{name: "TITLE", text: func(s *client.Session) string { return s.Title }},
			{name: "AGENT", text: func(s *client.Session) string { return s.Agent.Name }, drop: 1},
			{name: "AGENT ID", text: func(s *client.Session) string { return fmt.Sprintf("%s@%d", s.AgentID, s.Agent.Version) }, detail: true},
			{name: "ENVIRONMENT", text: func(s *client.Session) string { return s.EnvironmentID }, detail: true},
			{name: "METADATA", text: func(s *client.Session) string { return pairsOf(s.Metadata) }, detail: true},
			{name: "FILES", text: func(s *client.Session) string { return resourcesText(s, true) }, detail: true},
			{name: "RESOURCES", text: func(s *client.Session) string { return resourcesText(s, false) }, detail: true},
			{name: "INPUT TOKENS", text: func(s *client.Session) string { return strconv.FormatInt(s.Usage.InputTokens, 10) }, detail: true},
			{name: "OUTPUT TOKENS", text: func(s *client.Session) string { return strconv.FormatInt(s.Usage.OutputTokens, 10) }, detail: true},
			{name: "CREATED", at: func(s *client.Session) *time.Time { return &s.CreatedAt }},
			{name: "UPDATED", at: func(s *client.Session) *time.Time { return &s.UpdatedAt }, detail: true},
			{name: "ARCHIVED", at: func(s *client.Session) *time.Time { return s.ArchivedAt }, detail: true},
		},
	}
}

// resourcesText is the number of a session's resources, if all are files or if some are not.
func resourcesText(s *client.Session, files bool) string {
	others := slices.ContainsFunc(s.Resources, func(r client.SessionResource) bool { return attachmentOf(&r).FileID == "" })
	if others == files {
		return ""
	}
	return count(len(s.Resources))
}

func (a *app) cancelSession() *cobra.Command {
	return single(a, operation{id: "cancelSession", writes: true}, view[client.SessionCancellation]{
		id: func(s *client.SessionCancellation) string { return s.ID },
		columns: []column[client.SessionCancellation]{
			{name: "ID", text: func(s *client.SessionCancellation) string { return s.ID }},
			{name: "STATUS", text: func(s *client.SessionCancellation) string {
				if s.Stopping {
					return s.Status
				}
				return "no turn to stop"
			}},
		},
	}, func(ctx context.Context, c *client.Client, args []string, _ *struct{}, opts ...client.Option) (*client.SessionCancellation, error) {
		return c.Sessions.Cancel(ctx, args[0], opts...)
	})
}
