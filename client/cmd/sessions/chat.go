package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

func (a *app) chat() *cobra.Command {
	var agent, environment string
	var noHistory bool
	cmd := &cobra.Command{
		Use:   "chat [SESSION]",
		Short: "Talk with an agent",
		Long: `Talks with an agent in an existing session or in a new one, with --agent and --environment; without any of them you
choose an agent. The reply is printed as the agent writes it. When the agent asks to use a tool, or for the result of
one, chat asks you. In a pipe each line is a message.

At a terminal Enter sends the message, Alt-Enter begins another line of it, and pasted lines are one message. Up and
Down recall earlier messages. They are kept in a file that only you can read, chat-history.jsonl in the folder
cloud-sessions of your configuration, unless --no-history is set or SESSIONS_HISTORY is off.

Ctrl-C stops the agent's turn, or discards what you have typed; twice in a row it ends the program, as does Ctrl-D. The
session keeps the conversation.`,
		Example: `  sessions chat
  sessions chat --agent agent_019e390add9f7bac9b6cc806db46fcbd --environment env_019e2590d33f711fabf42f2857cecd8a
  sessions chat sess_019e3bb1e8c171fd9abbb1477ffb84cc
  printf '%s\n' "Hello" "What did I say?" | sessions chat sess_019e3bb1e8c171fd9abbb1477ffb84cc`,
		Args:              arguments,
		ValidArgsFunction: argument(a.suggestSessions()),
	}
	cmd.Flags().StringVar(&agent, "agent", "", "`ID` of the agent for a new session, or ID@VERSION")
	cmd.Flags().StringVar(&environment, "environment", "", "`ID` of the environment for a new session")
	cmd.Flags().BoolVar(&noHistory, "no-history", false, "do not read or keep the history of messages [$"+historyVariable+"=off]")
	_ = cmd.Flags().SetAnnotation("agent", paramAnnotation, []string{"agent"})
	_ = cmd.Flags().SetAnnotation("environment", paramAnnotation, []string{"environment_id"})
	cmd.MarkFlagsRequiredTogether("agent", "environment")
	_ = cmd.RegisterFlagCompletionFunc("agent", a.suggestAgents())
	_ = cmd.RegisterFlagCompletionFunc("environment", a.suggestEnvironments())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		person := a.typed && a.err.terminal
		if len(args) == 1 && agent != "" || len(args) == 0 && agent == "" && !person {
			return usageError{errors.New("use 'sessions chat SESSION', or 'sessions chat --agent ID --environment ID' for a new session; 'sessions list', 'sessions agents list' and 'sessions environments list' show the ids")}
		}
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		talk := &talk{turn: turn{a: a, c: c, session: strings.Join(args, "")}, editor: a.newEditor(!noHistory)}
		if talk.editor == nil {
			talk.lines = readLines(a.in)
		}
		switch {
		case agent != "":
			talk.session, err = a.newSession(cmd.Context(), c, agent, environment)
		case talk.session == "":
			talk.session, err = talk.pickSession(cmd.Context())
		}
		if err != nil {
			return err
		}
		err = talk.run(cmd.Context())
		if person && err == nil || errors.Is(err, errLeft) {
			a.remark("Continue with: sessions chat " + talk.session)
		}
		return err
	}
	return cmd
}

// newSession creates a session and says which.
func (a *app) newSession(ctx context.Context, c *client.Client, agent, environment string) (client.SessionID, error) {
	ref, err := agentRef(agent)
	if err != nil {
		return "", err
	}
	stop := a.err.spin("waiting for the server")
	session, err := c.Sessions.Create(ctx, &client.CreateSessionRequest{Agent: ref, EnvironmentID: environment})
	stop()
	if err != nil {
		return "", err
	}
	_ = a.err.writeStyled(styledText{dim, session.ID}, styledText{text: "\n"})
	return session.ID, nil
}

// talk is a conversation: with a person at a terminal, or line by line.
type talk struct {
	turn
	editor *editor       // nil without a terminal that can edit
	lines  <-chan string // instead of the editor
}

// readLines reads lines until the end of r, without a byte order mark. A read that waits for a person cannot be ended: it is
// left behind, which is for a program that exits then.
func readLines(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(r)
		for first := true; ; first = false {
			line, err := reader.ReadString('\n')
			if first {
				line = strings.TrimPrefix(line, byteOrderMark)
			}
			if line != "" {
				lines <- strings.TrimRight(line, "\r\n")
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// message returns the next message; ok is false at the end of the input.
func (t *talk) message(ctx context.Context) (text string, ok bool, err error) {
	if t.editor != nil {
		return t.editor.message(ctx)
	}
	return t.a.ask(ctx, t.lines, "> ")
}

// ask returns the reply to a question; ok is false at the end of the input.
func (t *talk) ask(ctx context.Context, question string) (text string, ok bool, err error) {
	if t.editor != nil {
		return t.editor.reply(ctx, question)
	}
	return t.a.ask(ctx, t.lines, question)
}

// run takes messages until there are no more.
func (t *talk) run(ctx context.Context) error {
	for {
		message, more, err := t.message(ctx)
		switch {
		case err != nil:
			return err
		case !more:
			if t.a.typed && t.a.err.terminal && t.editor == nil {
				fmt.Fprintln(t.a.err)
			}
			return nil
		case strings.TrimSpace(message) == "":
			continue
		}
		if err := t.answer(ctx, []client.EventInput{client.NewUserMessage(message)}); err != nil {
			return err
		}
	}
}

// answer follows a turn to its end, and asks the person what the agent asks.
func (t *talk) answer(ctx context.Context, events []client.EventInput) error {
	for {
		stop, err := t.turn.run(ctx, events, t.tell)
		if err != nil {
			return err
		}
		if stop.Type != client.StopReasonTypeRequiresAction || !t.a.typed {
			err := t.ended(stop)
			if t.editor != nil && errors.Is(err, errStopped) {
				t.editor.warned = true
			}
			if err != nil && t.a.typed {
				fmt.Fprintln(t.a.err, "sessions:", err) // and the conversation goes on
				return nil
			}
			return err
		}
		events = nil
		for _, use := range stop.EventIDs {
			if t.byWorker(use) {
				continue
			}
			event, ok, err := t.decide(ctx, use)
			if err != nil || !ok {
				return err
			}
			events = append(events, event)
		}
	}
}

// decide asks the person whether to allow the use of a tool, or for its result.
func (t *talk) decide(ctx context.Context, use client.EventID) (event client.EventInput, ok bool, err error) {
	if v, custom := t.uses[use].(client.AgentCustomToolUseEvent); custom {
		text, ok, err := t.ask(ctx, fmt.Sprintf("result of %s %s: ", v.Name, v.Input))
		return resulted(use, text), ok, err
	}
	v, _ := t.uses[use].(client.AgentToolUseEvent)
	name, input := v.Name, v.Input
	if mcp, ok := t.uses[use].(client.AgentMCPToolUseEvent); ok {
		name, input = mcpTool(mcp), mcp.Input
	}
	reply, ok, err := t.ask(ctx, fmt.Sprintf("allow %s %s? [y/N, or a reason to deny it] ", name, input))
	switch answer := strings.TrimSpace(reply); strings.ToLower(answer) {
	case "y", "yes":
		return allowed(use, ""), ok, err
	case "n", "no":
		return denied(use, ""), ok, err
	default:
		return denied(use, answer), ok, err
	}
}
