package turn

import (
	"context"
	"encoding/json"
	"time"
)

// DefaultTimeLimit is how long a use of a tool may run unless the tool says otherwise.
const DefaultTimeLimit = 2 * time.Minute

// Tool is a tool that the server itself, or a worker, runs during a turn, for a runner that offers it to its model.
type Tool struct {
	// Name is how events know the tool: 1 to 128 letters, digits, '_' or '-', or any name that the contract allows for a
	// tool of an MCP server. No two tools of a Toolbox with the same MCPServer have the same name.
	Name string
	// Description tells the model what the tool does.
	Description string
	// InputSchema is the JSON Schema of the input, an object's.
	InputSchema json.RawMessage
	// MCPServer names the agent's MCP server whose tool it is; "" for a tool of the server's own. Uses of the former are
	// recorded as agent.mcp_tool_use, of the latter as agent.tool_use.
	MCPServer string
	// Ask reports whether each use needs the confirmation of a user.
	Ask bool
	// Repeatable reports whether a use may run again when a crash hid whether it ran: it only reads.
	Repeatable bool
	// TimeLimit is how long a use may run; 0 stands for DefaultTimeLimit. Then ctx ends and the use has failed.
	TimeLimit time.Duration
	// Run runs the tool; nil for a tool that a worker of the session's environment runs. The input is a JSON object, not validated by InputSchema. It returns soon after ctx ends. What the
	// model should know of a failure is an Output with Failed; an error ends the turn.
	Run func(ctx context.Context, input json.RawMessage) (Output, error)
}

// Output is what a tool gave.
type Output struct {
	// Text is what the model and the readers of events see.
	Text string
	// Failed reports whether the tool failed, which Text explains.
	Failed bool
}

// Toolbox is what a turn has from one place: a session's files, memory stores or MCP servers.
type Toolbox struct {
	// Tools are offered to the model.
	Tools []Tool
	// System is added to the agent's system text, such as the names of attached files; "" for nothing.
	System string
	// Problems say, each in a sentence for callers, why tools are missing. Each becomes a session.error event; the turn goes on.
	Problems []string
	// Close releases what the tools hold, once the turn runs no more; nil for nothing.
	Close func()
}
