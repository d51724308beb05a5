package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

func (a *app) sendEvents() *cobra.Command {
	var noWait bool
	cmd := writes(&cobra.Command{
		Use:   "send SESSION [MESSAGE]",
		Short: "Send a message and print the reply",
		Long: `Sends a message to a session and prints the reply as the agent writes it. If MESSAGE is -, it is read from standard
input. Ctrl-C stops the turn; a second Ctrl-C ends the program as well.

When the agent asks to use a tool, or for the result of one, send ends with an error that names the event. Answer it
with another send and --allow, --deny or --result; the turn then continues.

With -o the events of the turn are printed instead; with jsonl and id, as they arrive.`,
		Example: `  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc "What is in this repository?"
  git diff | sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc -
  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc --allow evt_019e3bb219807d11a2b3c4d5e6f7a8b9
  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc --result evt_019e3bb219807d11a2b3c4d5e6f7a8b9="7 °C"
  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc Hello -o jsonl | jq -c 'select(.type == "agent.tool_use") | .input'`,
		Annotations:       map[string]string{operationAnnotation: "sendEvents", argumentAnnotation: "events"},
		Args:              arguments,
		ValidArgsFunction: argument(a.suggestSessions()),
	})
	b := a.newBody(cmd, false)
	b.events("allow", "allow the use of a tool that the event with this `ID` asks for", allowed)
	b.events("deny", "deny the use of a tool that the event with this `ID` asks for; ID=REASON tells the agent why", denied)
	b.events("result", "the result of the tool that the event with this ID asks for, `ID=TEXT`", resulted)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "print the events as stored and do not wait for the reply")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req, err := b.eventsToSend(args[1:])
		if err != nil {
			return err
		}
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		if noWait {
			stop := a.err.spin("waiting for the server")
			sent, err := c.Sessions.Events.Send(cmd.Context(), args[0], req, options(cmd)...)
			stop()
			if err != nil {
				return err
			}
			return showAll(a, eventView(), sent)
		}
		t := &turn{a: a, c: c, session: args[0], opts: options(cmd)}
		each, finish := t.tell, func() error { return nil }
		if a.format.value != "" {
			out := &listing[client.Event]{a: a, view: eventView()}
			each, finish = func(e client.Event) error {
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
func (b *body) events(flag, usage string, event func(use client.EventID, rest string) client.EventInput) {
	v := b.cmd.Flags().StringArray(flag, nil, usage+"; repeatable")
	b.sets(flag, "events", func(doc map[string]any) error {
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
func (b *body) eventsToSend(message []string) ([]client.EventInput, error) {
	doc, err := b.read(reflect.TypeFor[eventsRequest]())
	if err != nil {
		return nil, err
	}
	for _, text := range message {
		if text == "-" {
			data, err := b.a.readFile(b.cmd.Context(), "-")
			if err != nil {
				return nil, err
			}
			text = string(data)
		}
		addEvent(doc, client.NewUserMessage(text))
	}
	if len(doc) == 0 {
		return nil, usageError{fmt.Errorf("nothing to send: add a MESSAGE; see '%s --help'", b.cmd.CommandPath())}
	}
	req, err := decode[eventsRequest](b.cmd, doc)
	if err != nil {
		return nil, err
	}
	return req.Events, nil
}
