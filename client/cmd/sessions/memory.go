package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	apicontract "github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// memory holds the commands on memories, their versions and the stores that have them.
func (a *app) memory() *cobra.Command {
	cmd := group("memory", "Read and write what agents remember from session to session", a.plainMemoryCommands()...)
	cmd.AddCommand(
		a.putFile(), a.catMemory(),
		group("stores", "Create, show and change memory stores", a.plainMemoryStoreCommands()...),
		group("versions", "Show and redact earlier versions of memories", a.plainMemoryVersionCommands()...),
	)
	return cmd
}

func memoryStoreView() view[client.MemoryStore] {
	return view[client.MemoryStore]{
		id: func(m *client.MemoryStore) string { return m.ID },
		columns: []column[client.MemoryStore]{
			{name: "ID", text: func(m *client.MemoryStore) string { return m.ID }},
			{name: "NAME", text: func(m *client.MemoryStore) string { return m.Name }},
			{name: "STATUS", text: func(m *client.MemoryStore) string { return string(m.Status) }, style: stateStyle},
			{name: "MEMORIES", text: func(m *client.MemoryStore) string { return strconv.FormatInt(m.EntryCount, 10) }},
			{name: "BYTES", text: func(m *client.MemoryStore) string { return strconv.FormatInt(m.TotalSize, 10) }},
			{name: "DESCRIPTION", text: func(m *client.MemoryStore) string { return m.Description }, detail: true},
			{name: "METADATA", text: func(m *client.MemoryStore) string { return pairsOf(m.Metadata) }, detail: true},
			{name: "CREATED", at: func(m *client.MemoryStore) *time.Time { return &m.CreatedAt }},
			{name: "UPDATED", at: func(m *client.MemoryStore) *time.Time { return &m.UpdatedAt }, detail: true},
			{name: "ARCHIVED", at: func(m *client.MemoryStore) *time.Time { return m.ArchivedAt }, detail: true},
		},
	}
}

func memoryView() view[client.Memory] {
	return view[client.Memory]{
		id: func(m *client.Memory) string { return m.ID },
		columns: []column[client.Memory]{
			{name: "PATH", text: func(m *client.Memory) string { return m.Path }},
			{name: "ID", text: func(m *client.Memory) string { return m.ID }},
			{name: "BYTES", text: func(m *client.Memory) string { return strconv.FormatInt(m.Size, 10) }},
			{name: "VERSION", text: func(m *client.Memory) string { return strconv.Itoa(int(m.Version)) }},
			{name: "UPDATED", at: func(m *client.Memory) *time.Time { return &m.UpdatedAt }},
			{name: "SHA256", text: func(m *client.Memory) string { return m.ContentSHA256 }, detail: true},
			{name: "METADATA", text: func(m *client.Memory) string { return pairsOf(m.Metadata) }, detail: true},
			{name: "CONTENT", text: contentText, detail: true},
		},
	}
}

// writtenMemoryView shows of a memory that was written where it is.
func writtenMemoryView() view[client.Memory] {
	v := memoryView()
	v.columns = slices.DeleteFunc(v.columns, func(c column[client.Memory]) bool { return c.name != "PATH" && c.name != "ID" })
	return v
}

func contentText(m *client.Memory) string {
	if m.Content == nil {
		return ""
	}
	return *m.Content
}

// memoryItemView is memoryView for the records of a list; a directory has a path only.
func memoryItemView() view[client.MemoryListItem] {
	memories := memoryView()
	v := view[client.MemoryListItem]{id: func(item *client.MemoryListItem) string { return memories.id(memoryOf(item)) }}
	for _, c := range memories.columns {
		if c.detail {
			continue
		}
		of := column[client.MemoryListItem]{name: c.name}
		if c.at != nil {
			of.at = func(item *client.MemoryListItem) *time.Time { return c.at(memoryOf(item)) }
		} else {
			of.text = func(item *client.MemoryListItem) string {
				if m := memoryOf(item); m.ID != "" || c.name == "PATH" {
					return c.text(m)
				}
				return ""
			}
		}
		v.columns = append(v.columns, of)
	}
	return v
}

// memoryOf returns the memory that a record of a list is; for a directory, one without an id.
func memoryOf(item *client.MemoryListItem) *client.Memory {
	m := &client.Memory{}
	data, err := item.MarshalJSON()
	if err == nil {
		_ = json.Unmarshal(data, m) // what it lacks is not shown
	}
	return m
}

// findMemory returns the memory at a path, or nil.
func findMemory(ctx context.Context, c *client.Client, store, path string, opts ...client.Option) (*client.Memory, error) {
	path = strings.TrimPrefix(path, "/")
	params := &client.ListMemoriesParams{PathPrefix: &path, Limit: new(int32(largestPage))}
	for item, err := range c.MemoryStores.Memories.All(ctx, store, params, opts...) {
		if err != nil {
			return nil, err
		}
		if m := memoryOf(&item); m.ID != "" && m.Path == path {
			return m, nil
		}
	}
	return nil, nil
}

// putFile returns the command that writes a file into a memory.
func (a *app) putFile() *cobra.Command {
	cmd := &cobra.Command{
		Use: "put STORE PATH FILE", Short: "Write a file into the memory at a path", Args: arguments,
		Long: `Writes a file, or standard input for -, into the memory at a path of a memory store: creates the memory, or
replaces its content. If somebody else changes the memory at the same time, the command fails with a conflict and
changes nothing.`,
		Example: `  sessions memory put memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d users/4711.md notes.md
  date | sessions memory put memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d today.txt -`,
		ValidArgsFunction: argument(a.suggestMemoryStores()),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		data, err := a.readFile(cmd.Context(), args[2])
		if err != nil {
			return usageError{err}
		}
		if err := fitsMemory(args[2], len(data)); err != nil {
			return err
		}
		m, err := response(a, cmd, func(ctx context.Context, c *client.Client, opts ...client.Option) (*client.Memory, error) {
			old, err := findMemory(ctx, c, args[0], args[1], opts...)
			if err != nil {
				return nil, err
			}
			if old == nil {
				return c.MemoryStores.Memories.Create(ctx, args[0], &client.CreateMemoryRequest{Path: args[1], Content: string(data)}, opts...)
			}
			change := &client.UpdateMemoryRequest{Content: new(string(data)), ContentSHA256: &old.ContentSHA256}
			return c.MemoryStores.Memories.Update(ctx, args[0], old.ID, change, opts...)
		})
		if err != nil {
			return err
		}
		m.Content = nil // the caller has it
		return show(a, writtenMemoryView(), m)
	}
	return cmd
}

// fitsMemory returns an error for a file that is larger than the content of a memory may be.
func fitsMemory(name string, size int) error {
	api, err := apicontract.Load()
	if err != nil {
		return err
	}
	if most := api.Schema("MemoryContent").MaxLength(); size > most {
		if name == "-" {
			name = "standard input"
		}
		return usageError{fmt.Errorf("%s has %d bytes; a memory has at most %d", name, size, most)}
	}
	return nil
}

// catMemory returns the command that prints the content of a memory.
func (a *app) catMemory() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cat STORE PATH", Short: "Print the content of the memory at a path", Args: arguments,
		Example:           "  sessions memory cat memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d users/4711.md > notes.md",
		ValidArgsFunction: argument(a.suggestMemoryStores()),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := response(a, cmd, func(ctx context.Context, c *client.Client, opts ...client.Option) (*client.Memory, error) {
			found, err := findMemory(ctx, c, args[0], args[1], opts...)
			if err == nil && found == nil {
				err = missingError{fmt.Errorf("there is no memory at %s", args[1])}
			}
			if err != nil {
				return nil, err
			}
			return c.MemoryStores.Memories.Get(ctx, args[0], found.ID, nil, opts...)
		})
		if err != nil {
			return err
		}
		if a.out.terminal {
			_, err = fmt.Fprint(a.out, contentText(m))
		} else {
			_, err = fmt.Fprint(a.out.to, contentText(m)) // byte for byte
		}
		return err
	}
	return cmd
}

func (a *app) suggestMemoryStores() cobra.CompletionFunc {
	return newest(a, func(ctx context.Context, c *client.Client, opts ...client.Option) ([]client.MemoryStore, error) {
		return records(c.MemoryStores.List(ctx, &client.ListMemoryStoresParams{Limit: new(int32(largestPage))}, opts...))
	}, func(m *client.MemoryStore) string { return m.ID }, func(m *client.MemoryStore) string { return m.Name })
}
