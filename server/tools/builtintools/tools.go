package builtintools

import (
	"encoding/json"
	"strings"

	"github.com/cloud-sessions/sessions/server/turn"
)

// tools are the built-in tools that workers run, as package agenttoolset of anthropic-sdk-go v1.84.0 declares them.
var tools = []turn.Tool{
	{
		Name:        "bash",
		Description: "Runs a bash command in a persistent shell and returns its output. The working directory and variables persist across calls.",
		InputSchema: object(`"command":{"type":"string","description":"Command to run."},
			"restart":{"type":"boolean","description":"Whether to restart the shell first."},
			"timeout_ms":{"type":"integer","description":"Timeout of this call in milliseconds."}`),
	},
	{
		Name:        "read",
		Description: "Reads a text file in UTF-8.",
		InputSchema: object(`"file_path":{"type":"string","description":"Path of the file, relative to the working directory, or absolute and inside it."},
			"view_range":{"type":"array","items":{"type":"integer"},"description":"First and last line to read, from 1, both included."}`, "file_path"),
	},
	{
		Name:        "write",
		Description: "Writes a text file in UTF-8 and creates its parent directories.",
		InputSchema: object(`"file_path":{"type":"string","description":"Path of the file, relative to the working directory, or absolute and inside it."},
			"content":{"type":"string","description":"Complete content of the file."}`, "file_path", "content"),
	},
	{
		Name:        "edit",
		Description: "Replaces a text in a file. Unless replace_all is true, it must occur exactly once.",
		InputSchema: object(`"file_path":{"type":"string","description":"Path of the file, relative to the working directory, or absolute and inside it."},
			"old_string":{"type":"string","description":"Text to replace."},
			"new_string":{"type":"string","description":"Text to replace it with."},
			"replace_all":{"type":"boolean","description":"Whether to replace every occurrence."}`, "file_path", "old_string", "new_string"),
	},
	{
		Name:        "glob",
		Description: "Lists the paths that match a glob pattern, newest first.",
		InputSchema: object(`"pattern":{"type":"string","description":"Glob pattern, such as **/*.go; ** matches any depth."},
			"path":{"type":"string","description":"Directory to search; the working directory by default."}`, "pattern"),
	},
	{
		Name:        "grep",
		Description: "Searches the contents of files for a regular expression and returns the lines that match.",
		InputSchema: object(`"pattern":{"type":"string","description":"Regular expression."},
			"path":{"type":"string","description":"Directory to search; the working directory by default."}`, "pattern"),
	},
}

// object returns the JSON Schema of an object with these properties, of which some are required.
func object(properties string, required ...string) json.RawMessage {
	quoted := ""
	if len(required) > 0 {
		quoted = `,"required":["` + strings.Join(required, `","`) + `"]`
	}
	return json.RawMessage(`{"type":"object","properties":{` + properties + `}` + quoted + `}`)
}
