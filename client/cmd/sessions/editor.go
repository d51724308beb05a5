package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// editor reads what a person writes at a terminal, with the keys of a shell.
type editor struct {
	a       *app
	keys    *keyboard
	history *history
	warned  bool // Ctrl-C has stopped a turn: the next one leaves
}

// errLeft is a person who has left by Ctrl-C.
var errLeft = errors.New("interrupted")

// newEditor returns an editor, nil when there is no terminal that it could use.
func (a *app) newEditor(kept bool) *editor {
	in, ok := a.in.(*os.File)
	if !ok || !a.typed || !a.err.ansi || a.err.file == nil {
		return nil
	}
	return &editor{a: a, keys: &keyboard{File: in}, history: newHistory(kept)}
}

// message reads a message, which becomes part of the history; ok is false at the end of the input.
func (e *editor) message(ctx context.Context) (text string, ok bool, err error) {
	text, ok, err = e.read(ctx, e.history.entries)
	if ok && err == nil {
		if failed := e.history.add(text); failed != nil {
			e.a.remark(fmt.Sprintf("The history is not kept: %v; switch it off with --no-history.", failed))
			e.history.path = ""
		}
	}
	return text, ok, err
}

// reply reads the reply to a question.
func (e *editor) reply(ctx context.Context, question string) (text string, ok bool, err error) {
	_ = e.a.err.writeStyled(styledText{bold, oneLine(question)}, styledText{text: "\n"})
	return e.read(ctx, nil)
}

// read runs a prompt, and writes in the end what it was.
func (e *editor) read(ctx context.Context, entries []string) (text string, ok bool, err error) {
	text, end := e.keys.begin()
	if end == promptOpen {
		p := newPrompt(text, entries, e.warned)
		program := tea.NewProgram(p, tea.WithContext(ctx), tea.WithInput(e.keys), tea.WithOutput(e.a.err.file), tea.WithoutSignalHandler())
		if _, err := program.Run(); err != nil {
			fmt.Fprintln(e.a.err)
			return "", false, promptError(ctx, err)
		}
		text, end = p.text(), p.end
	}
	e.warned = false
	switch end {
	case promptInterrupted:
		return "", false, errLeft
	case promptClosed:
		return "", false, nil
	}
	_ = e.a.err.writeStyled(styledText{bold, "> "}, styledText{text: strings.ReplaceAll(text, "\n", "\n  ") + "\n"})
	return text, true, nil
}

// promptError is the error of a prompt that was ended from outside.
func promptError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the prompt failed: %w", err)
}
