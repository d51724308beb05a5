package mcptools

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
)

// The bounds of a server's list: its pages, and its tools in number and in bytes of descriptions and schemas.
const (
	maxPages     = 50
	maxTools     = 500
	maxListBytes = 2 << 20
)

// maxDescription is the most bytes of a tool's description; more is cut.
const maxDescription = 8 << 10

// bounds are the contract's bounds on what a server sends.
type bounds struct {
	name      *contract.Schema // of a tool
	maxSchema int              // bytes
}

func newBounds(c *contract.Contract) bounds {
	return bounds{name: c.Schema("MCPToolName"), maxSchema: c.Schema("JSONSchema").MaxBytes()}
}

// listed is a tool that a server has listed.
type listed struct {
	name, description string
	schema            json.RawMessage
	// repeatable reports whether the server says that a repeated call does no harm.
	repeatable bool
}

// list is what a server has listed.
type list struct {
	tools []listed
	// unfit counts the tools that are left out since they are not within bounds, or have another's name; more reports
	// whether the server lists more tools than are read.
	unfit int
	more  bool

	size  int // bytes
	until time.Time
}

// overhead is what a list, and each of its tools, occupies beside its texts, in bytes.
const overhead = 256

// listKey is what decides a list: the credential may decide which tools there are.
type listKey struct {
	account, url string
	older        bool
	token        [sha256.Size]byte
}

// footprint returns how many bytes a list and its key occupy: also one without tools occupies some.
func (l list) footprint(key listKey) int {
	return overhead + len(key.account) + len(key.url) + len(l.tools)*overhead + l.size
}

// list returns the server's tools, of which another turn may have asked. An error is a sentence for callers.
func (s *server) list(ctx context.Context) (l list, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.ListTimeout)
	defer cancel()
	ctx, note := s.noted(ctx)
	defer note.release()
	token, err := s.door.credential(ctx, "")
	if err != nil {
		return list{}, reason(ctx, note, err)
	}
	key := listKey{s.account, s.url, s.older, sha256.Sum256([]byte(token))}
	if l, ok := s.lists.Get(key); ok && s.Now().Before(l.until) {
		return l, nil
	}
	ctx, span := tracing.MCP(ctx, "tools/list", "", s.url)
	defer func() { span.Fail(err); span.End() }()
	session, err := s.connected(ctx)
	if err != nil {
		return list{}, err
	}
	l, err = s.bounds.read(ctx, session)
	if err != nil {
		s.drop(session)
		return list{}, reason(ctx, note, err)
	}
	l.until = s.Now().Add(s.Remember)
	s.lists.Add(key, l, l.footprint(key))
	return l, nil
}

// read reads the pages of a server's list.
func (b bounds) read(ctx context.Context, session *session) (l list, err error) {
	seen, cursors := map[string]bool{}, map[string]bool{}
	params := &mcp.ListToolsParams{}
	for range maxPages {
		page, err := session.ListTools(ctx, params)
		if err != nil {
			return list{}, err
		}
		for _, t := range page.Tools {
			if len(l.tools) == maxTools || l.size > maxListBytes {
				l.more = true
				return l, nil
			}
			tool, ok := b.tame(t)
			if !ok || seen[tool.name] {
				l.unfit++
				continue
			}
			seen[tool.name] = true
			l.tools = append(l.tools, tool)
			l.size += len(tool.name) + len(tool.description) + len(tool.schema)
		}
		if page.NextCursor == "" {
			return l, nil
		}
		if cursors[page.NextCursor] {
			return list{}, sentence("Its list of tools does not end.")
		}
		cursors[page.NextCursor] = true
		params.Cursor = page.NextCursor
	}
	l.more = true
	return l, nil
}

// tame returns a tool within bounds; ok is false for one that does not fit.
func (b bounds) tame(t *mcp.Tool) (tool listed, ok bool) {
	name, err := json.Marshal(t.Name)
	if err != nil || b.name.Check(name) != nil {
		return listed{}, false
	}
	schema, ok := t.InputSchema.(map[string]any)
	if !ok {
		schema = map[string]any{} // nothing, or true
	}
	if schema["type"] != "object" {
		schema["type"] = "object"
	}
	encoded, err := json.Marshal(schema)
	if err != nil || len(encoded) > b.maxSchema {
		return listed{}, false
	}
	tool = listed{name: t.Name, description: text.Cut(event.Clean(t.Description), maxDescription), schema: encoded}
	tool.repeatable = t.Annotations != nil && (t.Annotations.ReadOnlyHint || t.Annotations.IdempotentHint)
	return tool, true
}

// timeToTell is what a use of a tool has beyond the time of a call, so that it ends with what is known of the call.
const timeToTell = 5 * time.Second

// offered returns the tools of a list that the toolset enables, and what callers should know of the others.
func (s *server) offered(l list) (tools []turn.Tool, problems []string) {
	for _, t := range l.tools {
		p := s.policyOf(t.name)
		if !p.Offered {
			continue
		}
		tools = append(tools, turn.Tool{
			Name: t.name, Description: t.description, InputSchema: t.schema, MCPServer: s.name, Ask: p.Ask, Repeatable: t.repeatable,
			TimeLimit: s.CallTimeout + timeToTell,
			Run:       func(ctx context.Context, input json.RawMessage) (turn.Output, error) { return s.call(ctx, t, input) },
		})
	}
	if l.unfit > 0 {
		problems = append(problems, fmt.Sprintf("%d tools of the MCP server %q are left out: their names are taken or not allowed, or their schemas are too large.", l.unfit, s.name))
	}
	if l.more {
		problems = append(problems, fmt.Sprintf("The MCP server %q lists too many tools; those after the first %d are left out.", s.name, len(l.tools)))
	}
	return tools, problems
}
