package event

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/server/internal/text"
)

// Clean returns text without what the contract or a database does not allow: NUL, and what is not UTF-8.
func Clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

// ErrorMessage returns text as the message of a session.error, or otherwise when nothing of it is left.
func (l *Log) ErrorMessage(message, otherwise string) string {
	if message = text.Cut(Clean(message), l.maxErrorMessage); message == "" {
		return otherwise
	}
	return message
}

// ResultText returns text as the text of a tool's result: cut at the contract's bounds.
func (l *Log) ResultText(result string) string {
	return l.ResultTexts([]string{text.Cut(Clean(result), l.maxText)})[0]
}

// ResultTexts returns the texts of a tool's result, each of which the contract allows, cut so that their event can be
// stored.
func (l *Log) ResultTexts(results []string) []string {
	within, left := make([]string, len(results)), l.MaxTextJSON()
	for i, result := range results {
		var size int
		within[i], size = text.CutJSON(Clean(result), left)
		left -= size
	}
	return within
}

// aroundText is more than what an event with a text has around it, in bytes of JSON.
const aroundText = 4 << 10

// MaxTextJSON is how many bytes of JSON the texts of an event may take, so that it can be stored: characters that need
// an escape take up to six.
func (l *Log) MaxTextJSON() int { return l.schema.MaxBytes() - aroundText }

// maxToolName is the contract's bound on a tool's name, which is a part of its pattern.
const maxToolName = 128

// ToolName returns name as the contract allows the name of a tool: other characters become "_".
func ToolName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if name == "" {
		return "_"
	}
	return name[:min(len(name), maxToolName)]
}

// MCPToolName returns name as the contract allows the name of a tool of an MCP server: without control characters.
func MCPToolName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, Clean(name))
	if name == "" {
		return "_"
	}
	return string([]rune(name)[:min(utf8.RuneCountInString(name), maxToolName)])
}

// ToolInput returns input as the contract allows the arguments of a tool; none is an empty object. ok is false for what
// is not an object within the contract's bounds.
func (l *Log) ToolInput(input json.RawMessage) (within json.RawMessage, ok bool) {
	if len(input) == 0 {
		return json.RawMessage("{}"), true
	}
	within = json.RawMessage(strings.ToValidUTF8(string(input), "\uFFFD"))
	return within, len(within) <= MaxToolInput && l.toolInput.Check(within) == nil
}

// MaxToolInput is the most bytes of a tool's arguments.
const MaxToolInput = 1 << 20
