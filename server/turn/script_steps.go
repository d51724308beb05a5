package turn

import (
	"encoding/json"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/server/internal/strictyaml"
)

// maxCount is the most of a script's tokens.
const maxCount = 1_000_000_000_000

// parseSteps parses a list of steps; it never returns nil without an error. In is what lacks it when n
// is nil.
func parseSteps(n, in *yaml.Node, what string) ([]step, error) {
	nodes, err := strictyaml.Sequence(n, in, what)
	if err != nil {
		return nil, err
	}
	steps := make([]step, 0, len(nodes))
	for _, n := range nodes {
		if len(steps) > 0 && ends(steps[len(steps)-1]) {
			return nil, strictyaml.At(n, "the turn never reaches this step: it ended with the one before")
		}
		s, err := parseStep(n)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func parseStep(n *yaml.Node) (step, error) {
	if n.Kind == yaml.ScalarNode && n.Value == "think" {
		return thinkStep{}, nil
	}
	if n.Kind == yaml.MappingNode && strictyaml.Has(n, "every") {
		return parseSay(n)
	}
	key, value, err := strictyaml.Single(n, "a step", "think", "say", "wait", "tool", "custom_tool", "usage", "fail", "panic", "stop")
	if err != nil {
		return nil, err
	}
	switch key {
	case "think":
		return thinkStep{}, strictyaml.Nothing(value, "think")
	case "say":
		return parseSay(n)
	case "wait":
		wait, err := strictyaml.Duration(value, "wait")
		return waitStep{wait}, err
	case "tool":
		return parseTool(value)
	case "custom_tool":
		return parseCustomTool(value)
	case "usage":
		return parseUsage(value)
	case "fail":
		message, err := strictyaml.SomeText(value, "fail")
		return failStep{message}, err
	case "panic":
		message, err := strictyaml.SomeText(value, "panic")
		return panicStep{message}, err
	}
	outcome, err := strictyaml.AnyText(value, "stop")
	if err == nil && outcome != string(EndTurn) && outcome != string(MaxTokens) {
		err = strictyaml.At(value, "stop must be %s or %s, not %q", EndTurn, MaxTokens, outcome)
	}
	return stopStep{Outcome(outcome)}, err
}

func parseSay(n *yaml.Node) (step, error) {
	fields, err := strictyaml.Mapping(n, "a say step", "say", "every")
	if err != nil {
		return nil, err
	}
	said, ok := fields["say"]
	if !ok {
		return nil, strictyaml.At(n, "every needs a say beside it")
	}
	pieces := []*yaml.Node{said}
	if said.Kind == yaml.SequenceNode {
		pieces = said.Content
	}
	if len(pieces) == 0 {
		return nil, strictyaml.At(said, "say needs at least one piece")
	}
	var s sayStep
	for _, piece := range pieces {
		words, err := strictyaml.SomeText(piece, "say")
		if err != nil {
			return nil, err
		}
		if bad := badPlaceholder(words); bad != "" {
			return nil, strictyaml.At(piece, "unknown placeholder %s; there are {{text}} and {{result}}", bad)
		}
		s.pieces = append(s.pieces, words)
	}
	if every, ok := fields["every"]; ok {
		if said.Kind != yaml.SequenceNode {
			return nil, strictyaml.At(every, "every is the time between pieces; say must be a list of them")
		}
		if s.every, err = strictyaml.Duration(every, "every"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func parseTool(n *yaml.Node) (step, error) {
	var s toolStep
	fields, err := strictyaml.Mapping(n, "tool", "name", "input", "result", "failed", "ask", "denied")
	if err != nil {
		return nil, err
	}
	if s.name, s.input, err = parseCall(fields, n, "tool"); err != nil {
		return nil, err
	}
	if err := strictyaml.Optional(fields, "result", strictyaml.AnyText, &s.result); err != nil {
		return nil, err
	}
	if err := strictyaml.Optional(fields, "failed", strictyaml.Bool, &s.failed); err != nil {
		return nil, err
	}
	if err := strictyaml.Optional(fields, "ask", strictyaml.Bool, &s.ask); err != nil {
		return nil, err
	}
	if m, ok := fields["denied"]; ok {
		if !s.ask {
			return nil, strictyaml.At(m, "only a tool with ask: true can be denied")
		}
		if s.denied, err = parseSteps(m, n, "denied"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func parseCustomTool(n *yaml.Node) (step, error) {
	var s customToolStep
	fields, err := strictyaml.Mapping(n, "custom_tool", "name", "input")
	if err != nil {
		return nil, err
	}
	s.name, s.input, err = parseCall(fields, n, "custom_tool")
	return s, err
}

// parseCall parses the name and the input of a tool's use; no input is an empty one.
func parseCall(fields map[string]*yaml.Node, n *yaml.Node, what string) (string, json.RawMessage, error) {
	if fields["name"] == nil {
		return "", nil, strictyaml.At(n, "%s needs a name", what)
	}
	tool, err := strictyaml.SomeText(fields["name"], "name")
	if err != nil {
		return "", nil, err
	}
	input, ok := fields["input"]
	if !ok {
		return tool, json.RawMessage("{}"), nil
	}
	if input.Kind != yaml.MappingNode {
		return "", nil, strictyaml.At(input, "input must be a mapping, not %s", strictyaml.KindOf(input))
	}
	value, err := strictyaml.Value(input)
	if err != nil {
		return "", nil, err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return "", nil, strictyaml.At(input, "input is not JSON: %s", err.Error())
	}
	return tool, encoded, nil
}

func parseUsage(n *yaml.Node) (step, error) {
	var u Usage
	fields, err := strictyaml.Mapping(n, "usage", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation", "credits")
	if err != nil {
		return nil, err
	}
	creation := map[string]*yaml.Node{}
	if m, ok := fields["cache_creation"]; ok {
		if creation, err = strictyaml.Mapping(m, "cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"); err != nil {
			return nil, err
		}
	}
	for _, f := range []struct {
		node *yaml.Node
		name string
		into *int64
	}{
		{fields["input_tokens"], "input_tokens", &u.InputTokens},
		{fields["output_tokens"], "output_tokens", &u.OutputTokens},
		{fields["cache_read_input_tokens"], "cache_read_input_tokens", &u.CacheReadInputTokens},
		{creation["ephemeral_5m_input_tokens"], "ephemeral_5m_input_tokens", &u.CacheCreation5m},
		{creation["ephemeral_1h_input_tokens"], "ephemeral_1h_input_tokens", &u.CacheCreation1h},
	} {
		if f.node == nil {
			continue
		}
		if *f.into, err = strictyaml.Count(f.node, f.name, maxCount); err != nil {
			return nil, err
		}
	}
	if m, ok := fields["credits"]; ok {
		if u.CreditCents, err = centsOf(m, "credits"); err != nil {
			return nil, err
		}
	}
	return usageStep{u}, nil
}

// centsOf returns the hundredths of a number from 0 to 999999999.99 with up to two decimals.
func centsOf(n *yaml.Node, what string) (int64, error) {
	if tag := n.ShortTag(); n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float") {
		if parts := regexp.MustCompile(`^(\d{1,9})(?:\.(\d{1,2}))?$`).FindStringSubmatch(n.Value); parts != nil {
			return strconv.ParseInt(parts[1]+(parts[2] + "00")[:2], 10, 64)
		}
	}
	return 0, strictyaml.At(n, "%s must be a number from 0 with up to two decimals, not %s", what, strictyaml.Shown(n))
}
