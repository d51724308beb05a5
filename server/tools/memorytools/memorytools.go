// Package memorytools gives agents the memory stores of their sessions: tools that list, read, search, write and delete
// memories. A store's name and description are in the system text of a turn; its memories are not, so that an agent reads
// what it needs.
package memorytools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tools/builtintools"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Store is what the tools need of the store.
type Store interface{ store.Memories }

// Source returns what opens the memory stores of a session for a turn, for dispatch.Options. A session without memory
// stores gets nothing. Where a worker runs the built-in tools it mounts the stores, and the agent is told where instead of
// getting tools.
func Source(memories Store, rules *memory.Rules) func(ctx context.Context, account string, s store.Session) (turn.Toolbox, error) {
	return func(_ context.Context, account string, s store.Session) (turn.Toolbox, error) {
		b := &box{memories: memories, rules: rules, account: account, by: rules.Session(s.ID), seen: map[place]string{}}
		folders := map[string]string{}
		for _, r := range s.Resources {
			if r.Memory != nil {
				b.mounts = append(b.mounts, *r.Memory)
				folders[r.Memory.ID] = r.MountPath
			}
		}
		if len(b.mounts) == 0 {
			return turn.Toolbox{}, nil
		}
		byWorker, err := builtintools.ByWorker(s)
		switch {
		case err != nil:
			return turn.Toolbox{}, err
		case byWorker:
			return turn.Toolbox{System: b.system(mounted, func(m store.MemoryMount) string { return "folder " + folders[m.ID] })}, nil
		}
		return turn.Toolbox{Tools: b.tools(), System: b.system(offered, func(m store.MemoryMount) string { return "store " + m.ID })}, nil
	}
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

// What the agent is told of memory stores that it has tools for, and of those that a worker mounts.
const (
	offered = "You have memory stores: texts, each at a path, that last beyond this session and that other sessions may read and change. " +
		"Use the memory tools to look for what you should know before you reply, and to keep what will be useful later.\n"
	mounted = "You have memory stores: folders of text files that last beyond this session and that other sessions may read and change. " +
		"Use your tools to look in them for what you should know before you reply, and write text files there to keep what will be useful later.\n"
)

// system is what the agent is told of its memory stores; at names the place of one.
func (b *box) system(beginning string, at func(m store.MemoryMount) string) string {
	var text strings.Builder
	text.WriteString(beginning)
	for _, m := range b.mounts {
		access := "read and write"
		if m.ReadOnly {
			access = "read only"
		}
		fmt.Fprintf(&text, "\n- %q (%s, %s)", m.Name, at(m), access)
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
