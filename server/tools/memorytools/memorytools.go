// Package memorytools gives agents the memory stores of their sessions: tools that list, read, search, write and delete
// memories. A store's name and description are in the system text of a turn; its memories are not, so that an agent reads
// what it needs.
package memorytools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Store is what the tools need of the store.
type Store interface {
	GetEnvironment(ctx context.Context, account, id string) (store.Environment, error)
	store.Memories
}

// Source returns what opens the memory stores of a session for a turn, for dispatch.Options. A session without memory
// stores gets nothing, and neither does one in a self_hosted environment: there a worker mounts the stores.
func Source(memories Store, rules *memory.Rules) func(ctx context.Context, account string, s store.Session) (turn.Toolbox, error) {
	return func(ctx context.Context, account string, s store.Session) (turn.Toolbox, error) {
		b := &box{memories: memories, rules: rules, account: account, by: rules.Session(s.ID), seen: map[place]string{}}
		for _, r := range s.Resources {
			if r.Memory != nil {
				b.mounts = append(b.mounts, *r.Memory)
			}
		}
		if len(b.mounts) == 0 {
			return turn.Toolbox{}, nil
		}
		mounted, err := selfHosted(ctx, memories, account, s.EnvironmentID)
		if err != nil || mounted {
			return turn.Toolbox{}, err
		}
		return turn.Toolbox{Tools: b.tools(), System: b.system()}, nil
	}
}

// selfHosted reports whether workers of the caller run an environment's tools.
func selfHosted(ctx context.Context, environments Store, account, id string) (bool, error) {
	environment, err := environments.GetEnvironment(ctx, account, id)
	if err != nil {
		return false, err
	}
	var config struct {
		Type string `json:"type"`
	}
	err = json.Unmarshal(environment.Config, &config)
	return config.Type == "self_hosted", err
}

// box is the memory stores of a session during a turn.
type box struct {
	memories Store
	rules    *memory.Rules
	account  string
	by       store.MemoryWriter
	mounts   []store.MemoryMount

	mu   sync.Mutex
	seen map[place]string // the hashes of what the agent has read or written in this turn
}

// place is where a memory is.
type place struct{ storeID, path string }

// saw remembers what the agent knows of a memory; "" for nothing.
func (b *box) saw(at place, sha256 string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[at] = sha256
}

// known returns the hash of what the agent has seen of a memory; "" for nothing.
func (b *box) known(at place) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[at]
}

// system is what the agent is told of its memory stores.
func (b *box) system() string {
	var text strings.Builder
	text.WriteString("You have memory stores: texts, each at a path, that last beyond this session and that other sessions may read and change. ")
	text.WriteString("Use the memory tools to look for what you should know before you reply, and to keep what will be useful later.\n")
	for _, m := range b.mounts {
		access := "read and write"
		if m.ReadOnly {
			access = "read only"
		}
		fmt.Fprintf(&text, "\n- %q (store %s, %s)", m.Name, m.ID, access)
		if m.Description != "" {
			fmt.Fprintf(&text, ": %s", m.Description)
		}
		if m.Instructions != "" {
			fmt.Fprintf(&text, "\n  Instructions: %s", m.Instructions)
		}
	}
	return text.String()
}

// mount returns the memory store that a use names: by its id or its name, or none if there is only one.
func (b *box) mount(name string) (store.MemoryMount, error) {
	var found []store.MemoryMount
	for _, m := range b.mounts {
		if m.ID == name || m.Name == name || name == "" {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return store.MemoryMount{}, refusalf("There is no memory store %q; the stores are %s.", name, b.names())
	case name == "":
		return store.MemoryMount{}, refusalf("Say which memory store, by its id; the stores are %s.", b.names())
	}
	return store.MemoryMount{}, refusalf("Several memory stores have the name %q; use the id. The stores are %s.", name, b.names())
}

func (b *box) names() string {
	names := make([]string, len(b.mounts))
	for i, m := range b.mounts {
		names[i] = fmt.Sprintf("%s (%s)", m.ID, m.Name)
	}
	return strings.Join(names, ", ")
}

// refusal is what the agent is told of a use that did nothing.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func refusalf(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// output makes of an error what the agent is told. An error of the database ends the turn.
func output(text string, err error) (turn.Output, error) {
	switch {
	case err == nil:
		return turn.Output{Text: text}, nil
	case isRefusal(err), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		return turn.Output{Text: err.Error(), Failed: true}, nil
	}
	return turn.Output{}, err
}
