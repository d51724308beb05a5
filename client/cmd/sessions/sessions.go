package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// sessionCommands are the commands on sessions.
func (a *app) sessionCommands() []*cobra.Command {
	return []*cobra.Command{
		a.createSession(), a.getSession(), a.listSessions(), a.updateSession(),
		a.chat(), a.sendEvents(), a.tailEvents(), a.listEvents(), a.cancelSession(), a.archiveSession(), a.deleteSession(), a.resources(),
	}
}

func sessionView() view[client.Session] {
	return view[client.Session]{
		id: func(s *client.Session) string { return s.ID },
		columns: []column[client.Session]{
			{name: "ID", text: func(s *client.Session) string { return s.ID }},
			{name: "STATUS", text: func(s *client.Session) string { return string(s.Status) }, style: stateStyle},
			{name: "TITLE", text: func(s *client.Session) string { return s.Title }},
			{name: "AGENT", text: func(s *client.Session) string { return s.Agent.Name }},
			{name: "AGENT ID", text: func(s *client.Session) string { return fmt.Sprintf("%s@%d", s.AgentID, s.Agent.Version) }, detail: true},
			{name: "ENVIRONMENT", text: func(s *client.Session) string { return s.EnvironmentID }, detail: true},
			{name: "METADATA", text: func(s *client.Session) string { return pairsOf(s.Metadata) }, detail: true},
			{name: "FILES", text: func(s *client.Session) string { return count(len(s.Resources)) }, detail: true},
			{name: "INPUT TOKENS", text: func(s *client.Session) string { return strconv.FormatInt(s.Usage.InputTokens, 10) }, detail: true},
			{name: "OUTPUT TOKENS", text: func(s *client.Session) string { return strconv.FormatInt(s.Usage.OutputTokens, 10) }, detail: true},
			{name: "CREATED", text: func(s *client.Session) string { return moment(&s.CreatedAt) }},
			{name: "UPDATED", text: func(s *client.Session) string { return moment(&s.UpdatedAt) }, detail: true},
			{name: "ARCHIVED", text: func(s *client.Session) string { return moment(s.ArchivedAt) }, detail: true},
		},
	}
}

func (a *app) createSession() *cobra.Command {
	cmd := a.sessionNoun().command(helpText{
		use:   "create",
		short: "Create a session",
		long: `Creates a session between an agent and a user in an environment. The session starts idle; send it a message to
start a turn. It uses the given version of the agent, or the latest one at creation, for its entire life.`,
		example: `  sessions create --agent agent_019e390add9f7bac9b6cc806db46fcbd --environment env_019e2590d33f711fabf42f2857cecd8a
  sessions create --agent agent_019e390add9f7bac9b6cc806db46fcbd@2 --environment env_019e2590d33f711fabf42f2857cecd8a \
    --title Support --metadata purpose=customer-support
  sessions create --file session.yaml --title "Another title"
  id=$(sessions create --file session.yaml -o id)`,
	})
	b := a.newBody(cmd, false)
	agent := cmd.Flags().String("agent", "", "`ID` of the agent, or ID@VERSION to use an older version")
	b.sets("agent", "agent", func(doc map[string]any) (err error) {
		doc["agent"], err = agentRef(*agent)
		return err
	})
	b.text("environment", "environment_id", "`ID` of the environment")
	b.text("title", "title", "`TEXT` to display as the name of the session")
	b.metadata()
	b.pairs("env", "environment_variables", "set an environment variable, `NAME=VALUE`; repeatable")
	b.list("resource", "resources", "add a file, `FILE_ID` or FILE_ID:PATH; repeatable", func(text string) any { return fileInput(text) })
	b.list("memory-store", "memory_store_ids", "attach the memory store with this `ID`; repeatable", nil)
	b.list("vault", "vault_ids", "attach the vault with this `ID`; repeatable", nil)
	b.number("delta-flush-interval-ms", "delta_flush_interval_ms", "interval in `MILLISECONDS` at which incremental output is sent")
	_ = cmd.RegisterFlagCompletionFunc("agent", a.suggestAgents())
	_ = cmd.RegisterFlagCompletionFunc("environment", a.suggestEnvironments())
	return sends(b, sessionView(), nil, func(ctx context.Context, c *client.Client, _ string, req *client.CreateSessionRequest, opts ...client.Option) (*client.Session, error) {
		return c.Sessions.Create(ctx, req, opts...)
	})
}

// agentRef reads ID or ID@VERSION.
func agentRef(text string) (client.AgentRef, error) {
	id, version, pinned := strings.Cut(text, "@")
	if !pinned {
		return client.AgentRef{ID: id}, nil
	}
	n, err := strconv.ParseInt(version, 10, 32)
	if err != nil || n < 1 {
		return client.AgentRef{}, &fieldError{"agent", fmt.Sprintf("%q is not a version of an agent; versions are numbers from 1", version)}
	}
	return client.AgentRef{ID: id, Version: int32(n)}, nil
}

// fileInput reads FILE_ID or FILE_ID:PATH.
func fileInput(text string) client.SessionResourceInput {
	id, path, placed := strings.Cut(text, ":")
	file := client.SessionResourceInput{Type: client.SessionResourceInputTypeFile, FileID: id}
	if placed {
		file.MountPath = &path
	}
	return file
}

func (a *app) getSession() *cobra.Command {
	return byID(a, a.sessionNoun().command(helpText{
		use:   "get SESSION",
		short: "Show a session",
		example: `  sessions get sess_019e3bb1e8c171fd9abbb1477ffb84cc
  sessions get sess_019e3bb1e8c171fd9abbb1477ffb84cc -o json | jq .usage`,
	}), sessionView(), func(c *client.Client) call[client.Session] { return c.Sessions.Get })
}

func (a *app) listSessions() *cobra.Command {
	var agent, createdAfter, createdBefore string
	var statuses []string
	cmd := a.sessionNoun().command(helpText{
		use:   "list",
		short: "List sessions",
		long:  "Lists sessions, newest first by default. Archived ones are omitted by default.",
		example: `  sessions list
  sessions list --agent agent_019e390add9f7bac9b6cc806db46fcbd --status idle --status cancelled
  sessions list --created-after 24h -o json | jq -r '.[].title'
  sessions list --all -o jsonl | jq -r 'select(.usage.output_tokens > 10000) | .id'`,
	})
	f := newListFlags(cmd).withArchived()
	f.query(&agent, "agent", "agent_id", "list only sessions of the agent with this `ID`")
	f.query(&createdAfter, "created-after", "created_at[gte]", "list sessions created at or after `TIME`: 2026-05-18, 2026-05-18T15:26:15Z, or a duration before now such as 24h")
	f.query(&createdBefore, "created-before", "created_at[lt]", "list sessions created before `TIME`")
	cmd.Flags().StringSliceVar(&statuses, "status", nil, "list only sessions with this `STATUS`, such as idle; repeatable")
	_ = cmd.Flags().SetAnnotation("status", paramAnnotation, []string{"statuses"})
	_ = cmd.RegisterFlagCompletionFunc("agent", a.suggestAgents())
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{
		string(client.SessionStatusIdle), string(client.SessionStatusProcessing), string(client.SessionStatusCancelled),
	}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(*cobra.Command, []string) error {
		from, err := a.instant("created-after", createdAfter)
		if err != nil {
			return err
		}
		until, err := a.instant("created-before", createdBefore)
		if err != nil {
			return err
		}
		params := &client.ListSessionsParams{
			Limit: f.pageSize(), AfterID: optional[string](f.after), BeforeID: optional[string](f.before),
			Order: optional[client.ListOrder](f.sort), IncludeArchived: &f.archived,
			AgentID: optional[string](agent), CreatedFrom: from, CreatedBefore: until,
		}
		for _, s := range statuses {
			params.Statuses = append(params.Statuses, client.SessionStatus(s))
		}
		return list(a, f, sessionView(), func(ctx context.Context, c *client.Client) (*client.Page[client.Session], error) {
			return c.Sessions.List(ctx, params)
		})
	}
	return cmd
}

func (a *app) updateSession() *cobra.Command {
	cmd := a.sessionNoun().command(helpText{
		use:   "update SESSION",
		short: "Change a session's title and metadata",
		long:  "Changes a session's title and metadata. Omitted fields keep their values.",
		example: `  sessions update sess_019e3bb1e8c171fd9abbb1477ffb84cc --title "Refund of order 4711"
  sessions update sess_019e3bb1e8c171fd9abbb1477ffb84cc --metadata ticket=T-1029 --remove-metadata purpose`,
	})
	b := a.newBody(cmd, true)
	b.text("title", "title", "`TEXT` to display as the name of the session; an empty one removes the name")
	b.metadata()
	return sends(b, sessionView(), nil, func(ctx context.Context, c *client.Client, id string, req *client.UpdateSessionRequest, opts ...client.Option) (*client.Session, error) {
		return c.Sessions.Update(ctx, id, req, opts...)
	})
}

func (a *app) cancelSession() *cobra.Command {
	return byID(a, a.sessionNoun().command(helpText{
		use:   "cancel SESSION",
		short: "Stop the turn that a session is processing",
		long: `Stops the turn that a session is processing, without waiting for it to end: the session's status becomes
cancelled. For a session without a turn the command has no effect and succeeds.`,
		example: "  sessions cancel sess_019e3bb1e8c171fd9abbb1477ffb84cc",
	}), view[client.SessionCancellation]{
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
	}, func(c *client.Client) call[client.SessionCancellation] { return c.Sessions.Cancel })
}

func (a *app) archiveSession() *cobra.Command {
	return byID(a, a.sessionNoun().command(helpText{
		use:   "archive SESSION",
		short: "Archive a session permanently",
		long: `Archives a session permanently. Lists omit it by default and it can no longer be changed or receive messages,
but it can still be read. Archiving an archived session has no effect.`,
		example: "  sessions archive sess_019e3bb1e8c171fd9abbb1477ffb84cc",
	}), sessionView(), func(c *client.Client) call[client.Session] { return c.Sessions.Archive })
}

func (a *app) deleteSession() *cobra.Command {
	return byID(a, a.sessionNoun().command(helpText{
		use:     "delete SESSION",
		short:   "Delete a session and its events permanently",
		long:    "Deletes a session and its events permanently. Cancel a session that is processing a turn first.",
		example: "  sessions delete sess_019e3bb1e8c171fd9abbb1477ffb84cc",
	}), deletedView("DELETED", func(s *client.DeletedSession) string { return s.ID }), func(c *client.Client) call[client.DeletedSession] { return c.Sessions.Delete })
}
