package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

func eventView() view[client.Event] {
	return view[client.Event]{
		id: func(e *client.Event) string { return e.ID },
		columns: []column[client.Event]{
			{name: "TIME", at: func(e *client.Event) *time.Time { return &e.CreatedAt }, log: true},
			{name: "ID", text: func(e *client.Event) string { return e.ID }, drop: 1},
			{name: "TYPE", text: func(e *client.Event) string { return string(e.Type) }, width: len(client.EventTypeSessionStatusRescheduled), whole: true},
			{name: "WHAT", text: eventText, least: 30},
		},
	}
}

// eventText says in short what happened.
func eventText(e *client.Event) string {
	switch v := e.Value.(type) {
	case client.AgentToolUseEvent:
		return fmt.Sprintf("%s %s", v.Name, v.Input)
	case client.AgentMCPToolUseEvent:
		return fmt.Sprintf("%s %s", mcpTool(v), v.Input)
	case client.AgentMCPToolResultEvent:
		return v.Content.Text()
	case client.AgentCustomToolUseEvent:
		return fmt.Sprintf("%s %s", v.Name, v.Input)
	case client.AgentToolResultEvent:
		return v.Content.Text()
	case client.UserCustomToolResultEvent:
		return v.Content.Text()
	case client.UserToolConfirmationEvent:
		return string(v.Result)
	case client.UserDefineOutcomeEvent:
		return v.Description
	case client.SessionErrorEvent:
		return v.Error.Message
	case client.SessionStatusIdleEvent:
		return string(v.StopReason.Type)
	case client.SpanModelRequestStartEvent:
		return v.Model
	case client.SpanModelRequestEndEvent:
		return fmt.Sprintf("%d tokens in, %d out", v.ModelUsage.InputTokens, v.ModelUsage.OutputTokens)
	}
	return e.Text()
}

func (a *app) tailEvents() *cobra.Command {
	var lines int
	var after string
	var all, deltas bool
	cmd, _ := a.newCommand(operation{id: "streamEvents"})
	cmd.Flags().IntVarP(&lines, "lines", "n", 10, "number of recent events to print first, at most 100")
	cmd.Flags().StringVar(&after, "after", "", "start after the event with this `ID`")
	_ = cmd.Flags().SetAnnotation("after", paramAnnotation, []string{"after_id", "Last-Event-ID"})
	cmd.Flags().BoolVar(&all, "all", false, "start with the first event")
	cmd.Flags().BoolVar(&deltas, "deltas", false, "also print messages in pieces, as the agent writes them")
	_ = cmd.Flags().SetAnnotation("deltas", paramAnnotation, []string{"event_deltas[]"})
	cmd.MarkFlagsMutuallyExclusive("lines", "after", "all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if lines < 0 || lines > largestPage {
			return usageError{fmt.Errorf("--lines must be from 0 to %d", largestPage)}
		}
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		if a.form() == formatJSON {
			a.format.value = formatLines
		}
		out := &listing[client.Event]{a: a, view: eventView()}
		params := &client.StreamParams{AfterID: after}
		if deltas {
			params.Deltas = []client.DeltaType{client.DeltaTypeAgentMessage, client.DeltaTypeAgentThinking}
		}
		if !all && after == "" {
			latest, err := a.latest(cmd.Context(), c, args[0], max(lines, 1))
			if err != nil {
				return err
			}
			if len(latest) > 0 {
				params.AfterID = latest[len(latest)-1].ID
			}
			if err := out.page(latest[max(len(latest)-lines, 0):]); err != nil {
				return err
			}
		}
		for event, err := range c.Sessions.Events.Stream(cmd.Context(), args[0], params) {
			if err != nil {
				return err
			}
			if err := out.page([]client.Event{event}); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// latest returns the latest events of a session, oldest first.
func (a *app) latest(ctx context.Context, c *client.Client, session client.SessionID, n int) ([]client.Event, error) {
	stop := a.err.spin("waiting for the server")
	defer stop()
	page, err := c.Sessions.Events.List(ctx, session, &client.ListEventsParams{Limit: new(int32(n)), Order: new(client.EventOrderDesc)})
	if err != nil {
		return nil, err
	}
	slices.Reverse(page.Data)
	return page.Data, nil
}
