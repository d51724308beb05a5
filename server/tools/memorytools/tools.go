package memorytools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// The bounds of the tools.
const (
	maxListed  = 200      // entries of a list
	maxFound   = 20       // results of a search
	maxScanned = 32 << 20 // bytes of memories that a search reads
	pageBytes  = 1 << 20  // bytes of memories that a search holds at a time
	pageRows   = 100      // memories that are read at a time
	around     = 120      // bytes of text before and after what a search finds
)

// tools are those of the agent; uses of all of them can be repeated: what was done already is no failure.
func (b *box) tools() []turn.Tool {
	return []turn.Tool{
		tool("memory_list", "Lists the memories of a memory store: the path, size and content_sha256 of each. "+
			"Directories end with a slash; list one by its path.",
			`"path_prefix": {"type": "string", "description": "Directory to list, such as notes/; the top by default."}`, "", b.list),
		tool("memory_read", "Returns the content of the memory at a path, with its content_sha256.",
			pathField, `"path"`, b.read),
		tool("memory_search", "Finds the memories whose path or content has a text, in upper or lower case, and shows where.",
			`"query": {"type": "string", "minLength": 1, "description": "Text to look for; it is taken literally."},
			 "path_prefix": {"type": "string", "description": "Beginning of the paths to search, such as notes/; all by default."}`, `"query"`, b.search),
		tool("memory_write", "Writes the complete content of the memory at a path: creates the memory, or replaces its content. "+
			"To replace a content, read it first: if somebody else has changed it since, nothing is written and you get the hash of what is there.",
			pathField+`, "content": {"type": "string", "description": "The complete new content."}, `+hashField, `"path", "content"`, b.write),
		tool("memory_delete", "Deletes the memory at a path. Read it first.",
			pathField+`, `+hashField, `"path"`, b.remove),
	}
}

const (
	pathField  = `"path": {"type": "string", "minLength": 1, "description": "Path of the memory, such as notes/today.md."}`
	hashField  = `"content_sha256": {"type": "string", "description": "content_sha256 of the content that you have read and that the change is based on; by default, what you have read in this turn."}`
	storeField = `"store": {"type": "string", "description": "Id or name of the memory store; needed when there are several."}`
)

// input is what a use of any of the tools says.
type input struct {
	Store, Path, Content, Query string
	PathPrefix                  string `json:"path_prefix"`
	ContentSHA256               string `json:"content_sha256"`
}

// tool makes a tool of its fields and its function.
func tool(name, description, fields, required string, run func(ctx context.Context, in input) (string, error)) turn.Tool {
	return turn.Tool{
		Name: name, Description: description, Repeatable: true,
		InputSchema: json.RawMessage(`{"type": "object", "properties": {` + fields + `, ` + storeField + `}, "required": [` + required + `], "additionalProperties": false}`),
		Run: func(ctx context.Context, data json.RawMessage) (turn.Output, error) {
			var in input
			decoder := json.NewDecoder(bytes.NewReader(data))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&in); err != nil {
				return turn.Output{Text: "The input does not fit the tool's schema: " + err.Error(), Failed: true}, nil
			}
			return output(run(ctx, in))
		},
	}
}

func isRefusal(err error) bool {
	var refused *refusal
	var invalid *contract.RequestError
	return errors.As(err, &refused) || errors.As(err, &invalid)
}

// list lists a directory.
func (b *box) list(ctx context.Context, in input) (string, error) {
	m, err := b.mount(in.Store)
	if err != nil {
		return "", err
	}
	list, err := b.memories.ListMemoryTree(ctx, b.account, m.ID, store.MemoryFilter{Prefix: memory.Prefix(in.PathPrefix)}, store.Page{Limit: maxListed})
	if err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "There are no memories here.", nil
	}
	var text strings.Builder
	for _, e := range list.Items {
		if e.Memory == nil {
			fmt.Fprintf(&text, "%s\n", e.Prefix)
		} else {
			fmt.Fprintf(&text, "%s (%d bytes, content_sha256 %s)\n", e.Memory.Path, e.Memory.Size, e.Memory.SHA256)
		}
	}
	if list.HasMore {
		fmt.Fprintf(&text, "There are more than %d entries; list a directory, or search.\n", maxListed)
	}
	return text.String(), nil
}

// read returns a memory.
func (b *box) read(ctx context.Context, in input) (string, error) {
	at, err := b.place(in)
	if err != nil {
		return "", err
	}
	m, err := b.memories.FindMemory(ctx, b.account, at.storeID, at.path)
	if err != nil {
		return "", err
	}
	b.saw(at, m.SHA256)
	return fmt.Sprintf("path: %s\ncontent_sha256: %s\n\n%s", m.Path, m.SHA256, m.Content), nil
}

// place returns where the memory of a use is.
func (b *box) place(in input) (place, error) {
	m, err := b.mount(in.Store)
	if err != nil {
		return place{}, err
	}
	path, err := b.rules.Path(in.Path)
	return place{m.ID, path}, err
}

// write creates a memory or replaces its content. What is there already is success.
func (b *box) write(ctx context.Context, in input) (string, error) {
	at, err := b.writable(in)
	if err != nil {
		return "", err
	}
	if err := b.rules.Content(in.Content); err != nil {
		return "", err
	}
	m, err := b.memories.CreateMemory(ctx, b.account, at.storeID, store.MemorySpec{Path: at.path, Content: in.Content}, b.by)
	var exists *store.MemoryExistsError
	if errors.As(err, &exists) {
		m, err = b.memories.UpdateMemory(ctx, b.account, at.storeID, exists.ID, b.by, func(current store.Memory, spec *store.MemorySpec) error {
			spec.Content = in.Content
			if in.Content == current.Content {
				return nil
			}
			return b.checkBasis(at, current, in)
		})
	}
	if err != nil {
		return "", err
	}
	b.saw(at, m.SHA256)
	return fmt.Sprintf("Written: %s, %d bytes, content_sha256 %s.", m.Path, m.Size, m.SHA256), nil
}

// checkBasis refuses a change of a memory that is not what the agent has read.
func (b *box) checkBasis(at place, current store.Memory, in input) error {
	based := in.ContentSHA256
	if based == "" {
		based = b.known(at)
	}
	switch based {
	case current.SHA256:
		return nil
	case "":
		return refusalf("A memory is at '%s' already; its content_sha256 is %s. Nothing was changed: read it, and repeat the change if it is still right.", at.path, current.SHA256)
	}
	return refusalf("The memory at '%s' has changed since you read it; its content_sha256 is now %s. Nothing was changed: read it again, and repeat the change if it is still right.", at.path, current.SHA256)
}

// remove deletes a memory. One that is gone already is success.
func (b *box) remove(ctx context.Context, in input) (string, error) {
	at, err := b.writable(in)
	if err != nil {
		return "", err
	}
	m, err := b.memories.FindMemory(ctx, b.account, at.storeID, at.path)
	if err == nil {
		err = b.memories.DeleteMemory(ctx, b.account, at.storeID, m.ID, b.by, func(current store.Memory) error { return b.checkBasis(at, current, in) })
	}
	var gone *store.MissingError
	if errors.As(err, &gone) && gone.Noun == store.NounMemory {
		return fmt.Sprintf("There is no memory at '%s'.", at.path), nil
	}
	if err != nil {
		return "", err
	}
	b.saw(at, "")
	return fmt.Sprintf("Deleted: %s.", at.path), nil
}

// writable returns the place of a use that writes.
func (b *box) writable(in input) (place, error) {
	m, err := b.mount(in.Store)
	if err != nil {
		return place{}, err
	}
	if m.ReadOnly {
		return place{}, refusalf("The memory store %q is read only in this session.", m.Name)
	}
	return b.place(in)
}

// search finds memories by a text in their path or content.
func (b *box) search(ctx context.Context, in input) (string, error) {
	if in.Query == "" {
		return "", refusalf("Say what to look for: query is empty.")
	}
	mounts := b.mounts
	if in.Store != "" {
		m, err := b.mount(in.Store)
		if err != nil {
			return "", err
		}
		mounts = []store.MemoryMount{m}
	}
	s := search{query: strings.ToLower(in.Query), filter: store.MemoryFilter{Prefix: memory.Prefix(in.PathPrefix), Content: true}}
	for _, m := range mounts {
		if err := s.scan(ctx, b, m); err != nil {
			return "", err
		}
	}
	return s.result(), nil
}

// search is a search in progress.
type search struct {
	query   string // in lower case
	filter  store.MemoryFilter
	found   []string
	scanned int
	ended   string // why the search ended early; "" if it did not
}

// scan searches a memory store, page by page. A store that was deleted has nothing.
func (s *search) scan(ctx context.Context, b *box, m store.MemoryMount) error {
	for cursor := ""; s.ended == ""; {
		page := store.Page{Limit: pageRows, Bytes: pageBytes, Cursor: cursor}
		list, err := b.memories.ListMemories(ctx, b.account, m.ID, s.filter, page)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, found := range list.Items {
			s.look(m, found, len(b.mounts) > 1)
		}
		if !list.HasMore || len(list.Items) == 0 {
			return nil
		}
		cursor = list.Items[len(list.Items)-1].ID
	}
	return nil
}

// look looks into a memory.
func (s *search) look(in store.MemoryMount, m store.Memory, several bool) {
	switch {
	case s.ended != "":
		return
	case len(s.found) == maxFound:
		s.ended = fmt.Sprintf("There may be more: the search ends with %d results. Look for a longer text, or give a path_prefix.", maxFound)
		return
	case s.scanned > maxScanned:
		s.ended = fmt.Sprintf("There may be more: the search ends after %d MiB. Give a path_prefix.", maxScanned>>20)
		return
	}
	s.scanned += len(m.Path) + len(m.Content)
	shown := excerpt(m.Content, s.query)
	if shown == "" && !strings.Contains(strings.ToLower(m.Path), s.query) {
		return
	}
	line := m.Path
	if several {
		line += fmt.Sprintf(" (store %s)", in.ID)
	}
	if shown != "" {
		line += ": " + shown
	}
	s.found = append(s.found, line)
}

func (s *search) result() string {
	lines := s.found
	if len(lines) == 0 {
		lines = []string{"Nothing was found."}
	}
	if s.ended != "" {
		lines = append(lines, s.ended)
	}
	return strings.Join(lines, "\n")
}

// excerpt returns the text around the first place of a content that has a query, which is in lower case; "" for none.
func excerpt(content, query string) string {
	lower := strings.ToLower(content)
	at := strings.Index(lower, query)
	if at < 0 {
		return ""
	}
	if len(lower) != len(content) { // places differ: letters of some scripts have another size in lower case
		content = lower
	}
	from, to := boundary(content, at-around), boundary(content, at+len(query)+around)
	return strings.Join(strings.Fields(content[from:to]), " ")
}

// boundary returns the beginning of the character at a place, within the text.
func boundary(text string, at int) int {
	at = min(max(at, 0), len(text))
	for at < len(text) && at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}
