package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// turn runs turns of a session for a person: what the agent says goes to standard output as it is said, and what else
// it does, on a terminal, to standard error.
type turn struct {
	a       *app
	c       *client.Client
	session client.SessionID
	opts    []client.Option

	said    map[client.EventID]string // pieces of messages
	uses    map[client.EventID]any    // of tools
	failure string                    // what the server said of a turn that failed
	waits   bool                      // for a worker, which was said
	settle  func()                    // ends what waitForWorker began
	spinner func()
}

// run sends events, calls each with what follows, and returns why the turn stopped. The first Ctrl-C stops the turn,
// and not the program.
func (t *turn) run(ctx context.Context, events []client.EventInput, each func(context.Context, client.Event) error) (client.StopReason, error) {
	t.said, t.failure, t.waits = map[client.EventID]string{}, "", false
	if t.uses == nil { // the result of a use may come in a later turn
		t.uses = map[client.EventID]any{}
	}
	var interrupts sync.WaitGroup
	defer interrupts.Wait()
	done := t.a.signals.during(func() {
		interrupts.Go(func() {
			if _, err := t.c.Sessions.Events.Interrupt(ctx, t.session); err != nil {
				fmt.Fprintln(t.a.err, "sessions: the turn could not be stopped:", err)
			}
		})
	})
	defer done()
	t.wait()
	t.settle = func() {}
	defer func() { t.settle(); t.spinner() }()
	var stop client.StopReason
	idle := false
	params := &client.RunParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}
	for event, err := range t.c.Sessions.RunEvents(ctx, t.session, events, params, t.opts...) {
		t.settle()
		if err != nil {
			return client.StopReason{}, err
		}
		if v, failed := event.Value.(client.SessionErrorEvent); failed {
			t.failure = v.Error.Message
		}
		if err := each(ctx, event); err != nil {
			return client.StopReason{}, err
		}
		switch v := event.Value.(type) {
		case client.AgentToolUseEvent:
			t.uses[v.ID] = v
		case client.AgentMCPToolUseEvent:
			t.uses[v.ID] = v
		case client.AgentCustomToolUseEvent:
			t.uses[v.ID] = v
		case client.SessionStatusIdleEvent:
			stop, idle = v.StopReason, true // unless a worker continues the turn
			t.waitForWorker(ctx, v.StopReason, workerPatience)
		case client.SessionDeletedEvent:
			return client.StopReason{}, errors.New("the session was deleted")
		}
	}
	if !idle {
		return stop, errors.New("the turn did not end")
	}
	return stop, nil
}

// wait shows that the agent works, until something is printed.
func (t *turn) wait() { t.spinner = t.a.err.spin("the agent works; Ctrl-C stops it") }

// workerPatience is how long a turn waits for the result of a worker before it looks for the worker.
const workerPatience = 2 * time.Second

// waitForWorker says once in a turn, on standard error, that the turn waits for a worker to run a tool, if no worker has come
// after a time. It continues in the background until t.settle is called, which must be before the next event is handled.
func (t *turn) waitForWorker(ctx context.Context, stop client.StopReason, patience time.Duration) {
	if t.waits || stop.Type != client.StopReasonTypeRequiresAction || !slices.ContainsFunc(stop.EventIDs, t.byWorker) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	t.settle = func() { cancel(); waiting.Wait() }
	waiting.Go(func() {
		ticks := time.NewTicker(patience)
		defer ticks.Stop()
		for !t.waits {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			environment, served := t.served(ctx)
			if served || ctx.Err() != nil {
				continue
			}
			t.waits = true
			t.spinner()
			fmt.Fprintln(t.a.err, "sessions: waiting for a worker of", environment)
			t.wait()
		}
	})
}

// served returns the environment of the session, and whether a worker has the session's work, as far as that is known.
func (t *turn) served(ctx context.Context) (environment string, served bool) {
	session, err := t.c.Sessions.Get(ctx, t.session, t.opts...)
	if err != nil {
		return "its environment", false
	}
	work, err := t.c.Environments.Work.List(ctx, session.EnvironmentID, nil, t.opts...)
	return session.EnvironmentID, err == nil && slices.ContainsFunc(work.Data, func(w client.Work) bool {
		return w.Data.ID == t.session && w.State == client.WorkStateActive
	})
}

// byWorker reports whether a worker runs the use of a tool.
func (t *turn) byWorker(use client.EventID) bool {
	v, ok := t.uses[use].(client.AgentToolUseEvent)
	return ok && v.EvaluatedPermission == client.EvaluatedPermissionAllow
}

// tell prints an event for a person.
func (t *turn) tell(ctx context.Context, event client.Event) error {
	switch v := event.Value.(type) {
	case client.EventDelta:
		return t.say(v.EventID, event.Text(), false)
	case client.AgentMessageEvent:
		return t.say(v.ID, event.Text(), true)
	case client.AgentToolUseEvent:
		t.note("%s %s", v.Name, v.Input)
	case client.AgentMCPToolUseEvent:
		t.note("%s %s", mcpTool(v), v.Input)
	case client.AgentCustomToolUseEvent:
		t.note("%s %s", v.Name, v.Input)
	case client.AgentToolResultEvent:
		if v.IsError {
			t.note("the tool failed: %s", v.Content.Text())
		}
	case client.AgentMCPToolResultEvent:
		if v.IsError {
			t.warn("%s failed: %s", t.mcpToolAt(ctx, v.MCPToolUseID), v.Content.Text())
		}
	case client.SessionErrorEvent:
		t.warn("%s", v.Error.Message)
		t.failure = "" // it is said
	}
	return nil
}

// mcpToolAt names the tool of an MCP server and the host of the server, as far as they are known.
func (t *turn) mcpToolAt(ctx context.Context, id client.EventID) string {
	use, ok := t.uses[id].(client.AgentMCPToolUseEvent)
	if !ok {
		return "a tool of an MCP server"
	}
	text := fmt.Sprintf("the tool %s of the MCP server %q", use.Name, use.MCPServerName)
	session, err := t.c.Sessions.Get(ctx, t.session)
	if err != nil {
		return text // the turn is of more interest
	}
	for _, server := range session.Agent.MCPServers {
		var of struct{ Name, URL string }
		data, err := server.MarshalJSON()
		if err != nil || json.Unmarshal(data, &of) != nil || of.Name != use.MCPServerName {
			continue
		}
		if u, err := url.Parse(of.URL); err == nil {
			return text + " at " + u.Host
		}
	}
	return text
}

// say prints a piece of a message, or what is left of it once it is whole.
func (t *turn) say(id client.EventID, text string, whole bool) error {
	if rest, ok := strings.CutPrefix(text, t.said[id]); ok && whole {
		text = rest + "\n"
	} else if whole {
		text = "\n" + text + "\n" // the pieces are not the message's
	} else {
		t.said[id] += text
	}
	t.spinner()
	_, err := fmt.Fprint(t.a.out, text)
	return err
}

// warn says what does not work, on a terminal and elsewhere.
func (t *turn) warn(format string, args ...any) {
	t.spinner()
	fmt.Fprintln(t.a.err, "sessions:", oneLine(fmt.Sprintf(format, args...)))
	t.wait()
}

// note says on a terminal what the agent does beside talking.
func (t *turn) note(format string, args ...any) {
	if !t.a.err.terminal {
		return
	}
	t.spinner()
	_ = t.a.err.writeStyled(styledText{dim, "· " + oneLine(fmt.Sprintf(format, args...))}, styledText{text: "\n"})
	t.wait()
}

// ended is the error of a turn that stopped for a reason, nil for one that is done.
func (t *turn) ended(stop client.StopReason) error {
	switch stop.Type {
	case client.StopReasonTypeEndTurn:
		return nil
	case client.StopReasonTypeMaxTokens:
		t.note("the reply was cut off at the model's limit")
		return nil
	case client.StopReasonTypeInterrupted, client.StopReasonTypeCancelled:
		return errStopped
	case client.StopReasonTypeError:
		return errors.New(strings.TrimSuffix("the turn failed: "+t.failure, ": "))
	case client.StopReasonTypeRequiresAction:
		var waits []string
		for _, id := range stop.EventIDs {
			waits = append(waits, t.describe(id))
		}
		return fmt.Errorf("the agent is waiting: %s", strings.Join(waits, "; "))
	}
	return fmt.Errorf("the turn stopped: %s", stop.Type)
}

// errStopped is a turn that was stopped.
var errStopped = errors.New("the turn was stopped")

// mcpTool names the tool of an MCP server: two servers may have tools of the same name.
func mcpTool(use client.AgentMCPToolUseEvent) string { return use.MCPServerName + "/" + use.Name }

// describe says what a use of a tool waits for, and how to give it.
func (t *turn) describe(id client.EventID) string {
	switch v := t.uses[id].(type) {
	case client.AgentToolUseEvent:
		return fmt.Sprintf("to use %s %s; send --allow %s or --deny %s", v.Name, v.Input, id, id)
	case client.AgentMCPToolUseEvent:
		return fmt.Sprintf("to use %s %s; send --allow %s or --deny %s", mcpTool(v), v.Input, id, id)
	case client.AgentCustomToolUseEvent:
		return fmt.Sprintf("for the result of %s %s; send --result %s=TEXT", v.Name, v.Input, id)
	}
	return "for " + id
}
