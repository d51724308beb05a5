package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

func (a *app) sendEvents() *cobra.Command {
	var noWait bool
	cmd, in := a.newCommand(operation{id: "sendEvents", body: true, writes: true})
	cmd.Annotations[argumentAnnotation] = "events"
	in.events("allow", "allow the use of a tool that the event with this `ID` asks for", allowed)
	in.events("deny", "deny the use of a tool that the event with this `ID` asks for; ID=REASON tells the agent why", denied)
	in.events("result", "the result of the tool that the event with this ID asks for, `ID=TEXT`", resulted)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "print the events as stored and do not wait for the reply")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := in.eventsToSend(args[1:])
		if err != nil {
			return err
		}
		if noWait {
			return performAll(a, cmd, eventView(), func(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.Event, error) {
				return c.Sessions.Events.Send(ctx, args[0], req, opts...)
			})
		}
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		t := &turn{a: a, c: c, session: args[0], opts: options(cmd)}
		each, finish := t.tell, func() error { return nil }
		if a.format.value != "" {
			out := &listing[client.Event]{a: a, view: eventView()}
			each, finish = func(_ context.Context, e client.Event) error {
				t.spinner()
				if e.ID == "" {
					return nil // a piece of one that comes
				}
				return out.page([]client.Event{e})
			}, out.end
		}
		stop, err := t.run(cmd.Context(), req, each)
		if err == nil {
			err = finish()
		}
		if err == nil {
			err = t.ended(stop)
		}
		return err
	}
	return cmd
}

// events adds a flag, to be given once for each event, that sends events about the use of a tool.
func (in *input) events(flag, usage string, event func(use client.EventID, rest string) client.EventInput) {
	v := in.cmd.Flags().StringArray(flag, nil, usage+"; repeatable")
	in.sets(flag, "events", func(doc map[string]any) error {
		for _, text := range *v {
			use, rest, _ := strings.Cut(text, "=")
			addEvent(doc, event(use, rest))
		}
		return nil
	})
}

func addEvent(doc map[string]any, event client.EventInput) {
	events, _ := doc["events"].([]any)
	doc["events"] = append(events, event)
}

func allowed(use client.EventID, _ string) client.EventInput {
	return client.NewEventInput(client.UserToolConfirmationInput{ToolUseID: use, Result: client.ToolConfirmationResultAllow})
}

func denied(use client.EventID, reason string) client.EventInput {
	denial := client.UserToolConfirmationInput{ToolUseID: use, Result: client.ToolConfirmationResultDeny}
	if reason != "" {
		denial.DenyMessage = &reason
	}
	return client.NewEventInput(denial)
}

func resulted(use client.EventID, text string) client.EventInput {
	result := client.UserCustomToolResultInput{CustomToolUseID: use}
	if text != "" {
		result.Content = &client.Content{text}
	}
	return client.NewEventInput(result)
}

// eventsRequest is the request that sends events.
type eventsRequest struct {
	Events []client.EventInput `json:"events"`
}

// eventsToSend are the events of the file, the message, if there is one, and those of the flags.
func (in *input) eventsToSend(message []string) ([]client.EventInput, error) {
	doc, err := in.read(reflect.TypeFor[eventsRequest]())
	if err != nil {
		return nil, err
	}
	for _, text := range message {
		if text == "-" {
			data, err := in.a.readText(in.cmd.Context(), "-")
			if err != nil {
				return nil, err
			}
			text = string(data)
		}
		addEvent(doc, client.NewUserMessage(text))
	}
	if len(doc) == 0 {
		return nil, usageError{fmt.Errorf("nothing to send: add a MESSAGE; see '%s --help'", in.cmd.CommandPath())}
	}
	req, err := decode[eventsRequest](in.cmd, doc)
	if err != nil {
		return nil, err
	}
	return req.Events, nil
}
