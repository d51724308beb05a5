package mcptools

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/turn"
)

// maxOutput is the most bytes of a result: more would fill the window of a model.
const maxOutput = 256 << 10

// output returns a result as the model sees it: its texts, and a sentence for each other content.
func (b bounds) output(result *mcp.CallToolResult) turn.Output {
	if result.NeedsInput() {
		return b.failed("The tool did not run. It asks for more input than its arguments, which is not supported.")
	}
	var texts []string
	for _, content := range result.Content {
		texts = append(texts, described(content))
	}
	if len(texts) == 0 && result.StructuredContent != nil {
		encoded, _ := json.Marshal(result.StructuredContent) // it was decoded from JSON
		texts = append(texts, string(encoded))
	}
	return turn.Output{Text: within(strings.Join(texts, "\n")), Failed: result.IsError}
}

// failed returns the output of a call without a result.
func (bounds) failed(reason string) turn.Output {
	return turn.Output{Text: within(reason), Failed: true}
}

// within cuts a text that is too long, and says so.
func within(s string) string {
	s = event.Clean(s)
	if len(s) <= maxOutput {
		return s
	}
	return fmt.Sprintf("%s\n[The result is cut: it has %d bytes.]", text.Cut(s, maxOutput), len(s))
}

// described returns the text of a content, or a sentence about one that is not text.
func described(content mcp.Content) string {
	switch c := content.(type) {
	case *mcp.TextContent:
		return c.Text
	case *mcp.ImageContent:
		return fmt.Sprintf("[An image of type %q with %d bytes, which is not shown.]", c.MIMEType, len(c.Data))
	case *mcp.AudioContent:
		return fmt.Sprintf("[Audio of type %q with %d bytes, which is not played.]", c.MIMEType, len(c.Data))
	case *mcp.ResourceLink:
		return strings.TrimSpace(fmt.Sprintf("[A link to the resource %s.] %s", c.URI, c.Description))
	case *mcp.EmbeddedResource:
		switch r := c.Resource; {
		case r == nil:
			return "[An empty resource.]"
		case r.Text != "" || len(r.Blob) == 0:
			return fmt.Sprintf("[The resource %s:]\n%s", r.URI, r.Text)
		default:
			return fmt.Sprintf("[The resource %s of type %q with %d bytes, which is not shown.]", r.URI, r.MIMEType, len(r.Blob))
		}
	}
	return "[Content of another kind, which is not shown.]"
}
