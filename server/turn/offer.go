package turn

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Offer is a tool that a turn's agent may use.
type Offer struct {
	Tool
	// Custom reports whether the caller runs the tool: then only its Name, Description and InputSchema count.
	Custom bool
}

// ModelName is how a model knows the tool: unlike Name, it differs from that of every other tool of the turn. Endpoints
// may need it in another form.
func (t Tool) ModelName() string { return modelName(t.MCPServer, t.Name) }

// ModelName is how a model knows the tool of a use.
func (e Entry) ModelName() string { return modelName(e.MCPServer, e.Name) }

func modelName(server, name string) string {
	if server == "" {
		return name
	}
	return server + "__" + name
}

// IsUse reports whether the entry is the use of a tool.
func (e Entry) IsUse() bool {
	return e.Kind == ToolUse || e.Kind == MCPToolUse || e.Kind == CustomToolUse
}

// IsResult reports whether the entry is the result of a tool.
func (e Entry) IsResult() bool {
	return e.Kind == ToolResult || e.Kind == MCPToolResult || e.Kind == CustomToolResult
}

// Offers are the tools of a turn.
type Offers []Offer

// MaxOffers bounds the tools of a turn: endpoints refuse requests with more.
const MaxOffers = 128

// Tools returns the tools of the turn: the agent's custom ones, then those of the toolboxes. Of two with the same ModelName
// the first counts. The problems tell, each in a sentence for callers, which tools are left out. The first call opens the
// toolboxes and keeps them in in; System needs it.
func (in *Input) Tools(ctx context.Context) (offers Offers, problems []string, err error) {
	custom, err := in.Agent.customTools()
	if err != nil {
		return nil, nil, err
	}
	if in.Open != nil {
		if in.Toolboxes, err = in.Open(ctx); err != nil {
			return nil, nil, err
		}
		in.Open = nil
	}
	for _, t := range custom {
		offers = append(offers, Offer{Tool: Tool{Name: t.Name, Description: t.Description, InputSchema: t.InputSchema}, Custom: true})
	}
	leftOut := 0
	for _, box := range in.Toolboxes {
		for _, t := range box.Tools {
			switch _, taken := offers.named(t.ModelName()); {
			case taken:
				problems = append(problems, fmt.Sprintf("The %s is left out, since the agent has another tool of that name.", t.described()))
			case len(offers) >= MaxOffers:
				leftOut++
			default:
				offers = append(offers, Offer{Tool: t})
			}
		}
	}
	if leftOut > 0 {
		problems = append(problems, fmt.Sprintf("%d tools are left out, since a turn has at most %d.", leftOut, MaxOffers))
	}
	return offers, problems, nil
}

// described names the tool in a sentence.
func (t Tool) described() string {
	if t.MCPServer != "" {
		return fmt.Sprintf("tool %q of the MCP server %q", t.Name, t.MCPServer)
	}
	return fmt.Sprintf("tool %q", t.Name)
}

// System returns the system text of a turn: the agent's, and what the toolboxes add. Call Tools first.
func (in Input) System() string {
	var texts []string
	for _, text := range append([]string{in.Agent.System}, systems(in.Toolboxes)...) {
		if text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}

func systems(boxes []Toolbox) (texts []string) {
	for _, box := range boxes {
		texts = append(texts, box.System)
	}
	return texts
}

// customTool is a custom tool of the agent, as the contract writes it.
type customTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"`
}

// customTools returns the custom ones of the agent's tools.
func (a Agent) customTools() ([]customTool, error) {
	if len(a.Tools) == 0 {
		return nil, nil
	}
	var all []customTool
	if err := json.Unmarshal(a.Tools, &all); err != nil {
		return nil, fmt.Errorf("the agent's tools: %w", err)
	}
	return slices.DeleteFunc(all, func(t customTool) bool { return t.Type != "custom" }), nil
}

// named returns the tool with a ModelName.
func (o Offers) named(name string) (Offer, bool) {
	at := slices.IndexFunc(o, func(t Offer) bool { return t.ModelName() == name })
	if at < 0 {
		return Offer{}, false
	}
	return o[at], true
}

// used returns the tool of a use.
func (o Offers) used(use Entry) (Offer, bool) {
	t, ok := o.named(use.ModelName())
	return t, ok && t.kind() == use.Kind
}

// kind is the kind of the tool's uses.
func (o Offer) kind() EntryKind {
	switch {
	case o.Custom:
		return CustomToolUse
	case o.MCPServer != "":
		return MCPToolUse
	}
	return ToolUse
}

// Waits reports whether a use of the tool does not run at once: for its caller, a worker or a confirmation.
func (o Offer) Waits() bool { return o.Custom || o.byWorker() || o.Ask }

// byWorker reports whether a worker runs the tool.
func (o Offer) byWorker() bool { return !o.Custom && o.Run == nil }

// Use records the use of the tool and returns it. The input is a JSON object.
func (o Offer) Use(ctx context.Context, input json.RawMessage, out Sink) (use Entry, err error) {
	use = Entry{Kind: o.kind(), Name: o.Name, MCPServer: o.MCPServer, Input: input, Ask: o.Ask && !o.Custom}
	switch use.Kind {
	case CustomToolUse:
		use.ID, err = out.UseCustomTool(ctx, use.Name, input)
	case MCPToolUse:
		use.ID, err = out.UseMCPTool(ctx, use.MCPServer, use.Name, input, use.Ask)
	case ToolUse:
		if o.byWorker() {
			use.ID, err = out.UseWorkerTool(ctx, use.Name, input, use.Ask)
			break
		}
		use.ID, err = out.UseTool(ctx, use.Name, input, use.Ask)
	}
	return use, err
}

// The results of uses that were not run.
const (
	nobodyKnows  = "The server was restarted while the tool was running. Nobody knows whether it has done its work."
	notAvailable = "The tool is not available now."
)

// Named returns the tool with a ModelName; the zero Offer for a name that no tool has.
func (o Offers) Named(name string) Offer {
	t, _ := o.named(name)
	return t
}

// Settle runs, one after the other and in order, the uses among the entries of a turn that have no result and that the
// server may run. It records their results and returns them. waits reports whether another use waits: for its caller, a
// worker or a confirmation.
//
// rescheduled is Input.Rescheduled for the entries that Run started from, and false for uses that the same call has
// recorded: since uses run in order, only the first one may have been running when a process died. It is run again if its
// tool is Repeatable, and fails otherwise.
func (o Offers) Settle(ctx context.Context, entries []Entry, rescheduled bool, out Sink) (results []Entry, waits bool, err error) {
	answered, confirmations := map[string]bool{}, map[string]Entry{}
	for _, e := range entries {
		switch {
		case e.IsResult():
			answered[e.UseID] = true
		case e.Kind == ToolConfirmation:
			confirmations[e.UseID] = e
		}
	}
	for _, use := range entries {
		if !use.IsUse() || answered[use.ID] {
			continue
		}
		confirmation, confirmed := confirmations[use.ID]
		switch {
		case use.Kind == CustomToolUse, use.Ask && !confirmed:
			waits = true
			continue
		case confirmation.Denied:
			continue
		}
		if t, known := o.used(use); known && t.byWorker() {
			waits = true
			continue
		}
		result, err := o.perform(ctx, use, rescheduled, out)
		if err != nil {
			return results, waits, err
		}
		results, rescheduled = append(results, result), false
	}
	return results, waits, nil
}

// perform runs a use and records its result, which it returns.
func (o Offers) perform(ctx context.Context, use Entry, rescheduled bool, out Sink) (result Entry, err error) {
	t, known := o.used(use)
	var got Output
	switch {
	case !known:
		got = Output{Text: notAvailable, Failed: true}
	case rescheduled && !t.Repeatable:
		got = Output{Text: nobodyKnows, Failed: true}
	default:
		got, err = t.Run(ctx, use.Input)
	}
	if err != nil {
		return Entry{}, err
	}
	result = Entry{Kind: ToolResult, UseID: use.ID, Text: got.Text, Failed: got.Failed}
	if use.Kind == MCPToolUse {
		result.Kind = MCPToolResult
		return result, out.MCPToolResult(ctx, use.ID, got.Text, got.Failed)
	}
	return result, out.ToolResult(ctx, use.ID, got.Text, got.Failed)
}
