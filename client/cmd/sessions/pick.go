package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/client"
)

// pickSession creates a session with the agent and the environment that the person chooses.
func (t *talk) pickSession(ctx context.Context) (client.SessionID, error) {
	agents, err := records(t.c.Agents.List(ctx, nil))
	if err != nil {
		return "", err
	}
	agent, err := pick(ctx, t, "agent", agentView(), agents, func(v *client.Agent) []string { return []string{v.ID, v.Name} })
	if err != nil {
		return "", err
	}
	environment := agent.DefaultEnvironment
	if environment == "" {
		environments, err := records(t.c.Environments.List(ctx, nil))
		if err != nil {
			return "", err
		}
		chosen, err := pick(ctx, t, "environment", environmentView(), environments, func(v *client.Environment) []string { return []string{v.ID, v.Name} })
		if err != nil {
			return "", err
		}
		environment = chosen.ID
	}
	return t.a.newSession(ctx, t.c, agent.ID, environment)
}

// creations are commands that create the first record of a kind.
var creations = map[string]string{
	"agent":       "sessions agents create --name helper --model ultimate",
	"environment": "sessions environments create --name main --type cloud",
}

// pick asks which of some records to use, by its number or one of its names; the only one is not asked about.
func pick[T any](ctx context.Context, t *talk, kind string, v view[T], records []T, names func(*T) []string) (*T, error) {
	switch len(records) {
	case 0:
		return nil, missingError{fmt.Errorf("there is no %s yet; create one with '%s'", kind, creations[kind])}
	case 1:
		return &records[0], nil
	}
	numbers := column[T]{name: "NO", whole: true}
	numbers.text = func(record *T) string {
		for i := range records {
			if record == &records[i] {
				return strconv.Itoa(i + 1)
			}
		}
		return ""
	}
	list := &listing[T]{a: &app{out: t.a.err, now: t.a.now, format: choice{value: formatTable}}, view: view[T]{columns: append([]column[T]{numbers}, v.columns...)}}
	if err := list.page(records); err != nil {
		return nil, err
	}
	for {
		reply, ok, err := t.ask(ctx, fmt.Sprintf("Which %s? [1-%d, or its name] ", kind, len(records)))
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, usageError{errors.New("no " + kind + " was chosen")}
		}
		if chosen := find(records, strings.TrimSpace(reply), names); chosen != nil {
			return chosen, nil
		}
	}
}

// find returns the record with a number, from 1, or with a name; nil for none.
func find[T any](records []T, text string, names func(*T) []string) *T {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(records) {
		return &records[n-1]
	}
	for i := range records {
		for _, name := range names(&records[i]) {
			if strings.EqualFold(name, text) {
				return &records[i]
			}
		}
	}
	return nil
}
