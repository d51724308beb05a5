package turn

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// step is one step of a rule. A step that is reached does what it says; an outcome ends the call.
type step interface {
	do(ctx context.Context, p *player) (Outcome, error)
}

// stepList is steps in order. One that is decoded is never nil.
type stepList []step

// DecodeYAML implements yamlfile.Decoder.
func (l *stepList) DecodeYAML(n *yaml.Node, what string) error {
	var nodes []*yaml.Node
	if err := yamlfile.Decode(n, what, &nodes); err != nil {
		return err
	}
	*l = make(stepList, 0, len(nodes))
	for i, n := range nodes {
		if i > 0 && ends((*l)[i-1]) {
			return yamlfile.At(n, "the turn never reaches this step: it ended with the one before")
		}
		s, err := decodeStep(n)
		if err != nil {
			return err
		}
		*l = append(*l, s)
	}
	return nil
}

// ends reports whether nothing after s is reached.
func ends(s step) bool {
	switch s.(type) {
	case failStep, panicStep, stopStep:
		return true
	}
	return false
}

// decodeStep decodes a mapping from the kind of a step to its value, or the word think alone.
func decodeStep(n *yaml.Node) (step, error) {
	if n.Kind == yaml.ScalarNode && n.Value == "think" {
		return thinkStep{}, nil
	}
	if yamlfile.Under(n, "say") != nil || yamlfile.Under(n, "every") != nil {
		return decodeAs[sayStep](n, "a say step")
	}
	kind, value, err := yamlfile.Single(n, "a step", stepKinds...)
	if err != nil {
		return nil, err
	}
	return stepDecoders[kind](value, kind)
}

// stepKinds are the keys of steps.
var stepKinds = []string{"think", "say", "wait", "use", "tool", "custom_tool", "usage", "fail", "panic", "stop"}

// stepDecoders decode the values of these keys, except for say, which may have another key next to it.
var stepDecoders = map[string]func(n *yaml.Node, what string) (step, error){
	"think":       decodeAs[thinkStep],
	"wait":        decodeAs[waitStep],
	"use":         decodeAs[useStep],
	"tool":        decodeAs[toolStep],
	"custom_tool": decodeAs[customToolStep],
	"usage":       decodeAs[usageStep],
	"fail":        decodeAs[failStep],
	"panic":       decodeAs[panicStep],
	"stop":        decodeAs[stopStep],
}

func decodeAs[S step](n *yaml.Node, what string) (step, error) {
	var s S
	err := yamlfile.Decode(n, what, &s)
	return s, err
}

// thinkStep shows that the agent thinks.
type thinkStep struct{}

// DecodeYAML implements yamlfile.Decoder.
func (s *thinkStep) DecodeYAML(n *yaml.Node, what string) error {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return yamlfile.At(n, "%s accepts no value, not %s", what, yamlfile.Shown(n))
}

func (s thinkStep) do(ctx context.Context, p *player) (Outcome, error) {
	return "", p.out.Thinking(ctx)
}

// sayStep says one message.
type sayStep struct {
	Pieces []piece       `yaml:"say,required,single"`
	Every  time.Duration `yaml:"every"`
}

// CheckYAML implements yamlfile.Checker.
func (s sayStep) CheckYAML(n *yaml.Node) error {
	said, every := yamlfile.Under(n, "say"), yamlfile.Under(n, "every")
	switch {
	case len(s.Pieces) == 0:
		return yamlfile.At(said, "say needs at least one piece")
	case every != nil && said.Kind != yaml.SequenceNode:
		return yamlfile.At(every, "every is the time between pieces; say must be a list of them")
	}
	return nil
}

func (s sayStep) do(ctx context.Context, p *player) (Outcome, error) {
	fill := strings.NewReplacer("{{text}}", p.text, "{{result}}", p.result)
	for i, piece := range s.Pieces {
		if i > 0 {
			if err := p.clock.Sleep(ctx, s.Every); err != nil {
				return "", err
			}
		}
		text := fill.Replace(string(piece))
		if text == "" {
			continue
		}
		if err := p.out.Say(ctx, text); err != nil {
			return "", err
		}
	}
	return "", p.out.EndMessage(ctx)
}

// piece is a piece of a message, with placeholders.
type piece string

var placeholder = regexp.MustCompile(`\{\{[^{}]*\}\}`)

// CheckYAML implements yamlfile.Checker.
func (t piece) CheckYAML(n *yaml.Node) error {
	for _, found := range placeholder.FindAllString(string(t), -1) {
		if found != "{{text}}" && found != "{{result}}" {
			return yamlfile.At(n, "unknown placeholder %s; use {{text}} or {{result}}", found)
		}
	}
	return nil
}

// waitStep waits.
type waitStep struct{ wait time.Duration }

// DecodeYAML implements yamlfile.Decoder.
func (s *waitStep) DecodeYAML(n *yaml.Node, what string) error {
	return yamlfile.Decode(n, what, &s.wait)
}

func (s waitStep) do(ctx context.Context, p *player) (Outcome, error) {
	return "", p.clock.Sleep(ctx, s.wait)
}

// toolUse is the use of a tool.
type toolUse struct {
	Name  string `yaml:"name,required"`
	Input object `yaml:"input"`
}

// input is Input, or an empty object.
func (u toolUse) input() json.RawMessage { return u.Input.orEmpty() }

// object is a JSON object.
type object json.RawMessage

// DecodeYAML implements yamlfile.Decoder.
func (o *object) DecodeYAML(n *yaml.Node, what string) error {
	if n.Kind != yaml.MappingNode {
		return yamlfile.At(n, "%s must be a mapping, not %s", what, yamlfile.Shown(n))
	}
	value, err := yamlfile.ValueOf(n, nil)
	if err != nil {
		return err
	}
	*o, err = json.Marshal(value)
	return err
}

// orEmpty returns the object, an empty one for none.
func (o object) orEmpty() json.RawMessage {
	if o == nil {
		return json.RawMessage("{}")
	}
	return json.RawMessage(o)
}

// useStep uses a tool of the turn, as a model does.
type useStep struct {
	Tool      string   `yaml:"tool,required"`
	MCPServer string   `yaml:"mcp_server"`
	Input     object   `yaml:"input"`
	Denied    stepList `yaml:"denied"` // nil: continue with the next step; empty: end
}

func (s useStep) do(ctx context.Context, p *player) (Outcome, error) {
	tool, ok := p.tools.named(modelName(s.MCPServer, s.Tool))
	if !ok {
		return "", Failuref("%s: the agent has no tool %q", p.script, modelName(s.MCPServer, s.Tool))
	}
	use, err := tool.Use(ctx, s.Input.orEmpty(), p.out)
	if err != nil {
		return "", err
	}
	if tool.Waits() {
		return RequiresAction, nil
	}
	if err := p.out.EndRequest(ctx); err != nil {
		return "", err
	}
	if _, err := p.settle(ctx, []Entry{use}, false); err != nil {
		return "", err
	}
	return "", p.out.BeginRequest(ctx)
}

// settle runs the uses among entries that may run, and reports whether one waits.
func (p *player) settle(ctx context.Context, entries []Entry, rescheduled bool) (waits bool, err error) {
	results, waits, err := p.tools.Settle(ctx, entries, rescheduled, p.out)
	if n := len(results); n > 0 {
		p.result = results[n-1].Text
	}
	return waits, err
}

// toolStep uses a built-in tool.
type toolStep struct {
	toolUse
	Result string   `yaml:"result,empty"`
	Failed bool     `yaml:"failed"`
	Ask    bool     `yaml:"ask"`
	Denied stepList `yaml:"denied"` // nil: continue with the next step; empty: end
}

// CheckYAML implements yamlfile.Checker.
func (s toolStep) CheckYAML(n *yaml.Node) error {
	if s.Denied != nil && !s.Ask {
		return yamlfile.At(yamlfile.Under(n, "denied"), "only a tool with ask: true can be denied")
	}
	return nil
}

func (s toolStep) do(ctx context.Context, p *player) (Outcome, error) {
	use, err := p.out.UseTool(ctx, s.Name, s.input(), s.Ask)
	if err != nil {
		return "", err
	}
	if s.Ask {
		return RequiresAction, nil
	}
	return "", s.finish(ctx, p, use)
}

// finish records the tool's result.
func (s toolStep) finish(ctx context.Context, p *player, use string) error {
	p.result = s.Result
	return p.out.ToolResult(ctx, use, s.Result, s.Failed)
}

// customToolStep uses a tool of the caller's.
type customToolStep struct{ toolUse }

func (s customToolStep) do(ctx context.Context, p *player) (Outcome, error) {
	if _, err := p.out.UseCustomTool(ctx, s.Name, s.input()); err != nil {
		return "", err
	}
	return RequiresAction, nil
}

// usageStep adds to what the turn has used.
type usageStep struct {
	InputTokens          int64 `yaml:"input_tokens,max=1000000000000"`
	OutputTokens         int64 `yaml:"output_tokens,max=1000000000000"`
	CacheReadInputTokens int64 `yaml:"cache_read_input_tokens,max=1000000000000"`
	CacheCreation        struct {
		FiveMinutes int64 `yaml:"ephemeral_5m_input_tokens,max=1000000000000"`
		OneHour     int64 `yaml:"ephemeral_1h_input_tokens,max=1000000000000"`
	} `yaml:"cache_creation"`
	Credits cents `yaml:"credits"`
}

func (s usageStep) do(_ context.Context, p *player) (Outcome, error) {
	p.out.Spend(Usage{
		InputTokens: s.InputTokens, OutputTokens: s.OutputTokens, CacheReadInputTokens: s.CacheReadInputTokens,
		CacheCreation5m: s.CacheCreation.FiveMinutes, CacheCreation1h: s.CacheCreation.OneHour,
		CreditCents: int64(s.Credits),
	})
	return "", nil
}

// cents are the hundredths of a number from 0 to 999999999.99 with up to two decimals.
type cents int64

var twoDecimals = regexp.MustCompile(`^(\d{1,9})(?:\.(\d{1,2}))?$`)

// DecodeYAML implements yamlfile.Decoder.
func (c *cents) DecodeYAML(n *yaml.Node, what string) error {
	parts := twoDecimals.FindStringSubmatch(n.Value)
	if parts == nil || !yamlfile.IsNumber(n) {
		return yamlfile.At(n, "%s must be a number from 0 with up to two decimals, not %s", what, yamlfile.Shown(n))
	}
	hundredths, err := strconv.ParseInt(parts[1]+(parts[2] + "00")[:2], 10, 64)
	*c = cents(hundredths)
	return err
}

// failStep fails the turn with this message.
type failStep string

func (s failStep) do(context.Context, *player) (Outcome, error) { return "", &Failure{string(s)} }

// panicStep panics with this message.
type panicStep string

func (s panicStep) do(context.Context, *player) (Outcome, error) { panic(ScriptPanic(s)) }

// stopStep ends the turn with this outcome.
type stopStep string

// CheckYAML implements yamlfile.Checker.
func (s stopStep) CheckYAML(n *yaml.Node) error {
	if outcome := Outcome(s); outcome != EndTurn && outcome != MaxTokens {
		return yamlfile.At(n, "stop must be %s or %s, not %q", EndTurn, MaxTokens, outcome)
	}
	return nil
}

func (s stopStep) do(context.Context, *player) (Outcome, error) { return Outcome(s), nil }
