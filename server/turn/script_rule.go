package turn

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// rule is one of a script's replies, and when it is given.
type rule struct {
	Match matcher  `yaml:"match"` // nil: every message
	Model pattern  `yaml:"model"` // "": every model
	Agent string   `yaml:"agent"` // "": every agent
	Steps stepList `yaml:"steps,required"`
	line  int
}

func (r rule) fits(in Input) bool {
	return (r.Model == "" || fits(string(r.Model), in.Agent.Model)) &&
		(r.Agent == "" || r.Agent == in.Agent.ID || r.Agent == in.Agent.Name) &&
		(r.Match == nil || r.Match(in.Message()))
}

// ruleList is the rules of a script.
type ruleList []rule

// DecodeYAML implements yamlfile.Decoder.
func (l *ruleList) DecodeYAML(n *yaml.Node, what string) error {
	var file struct {
		Rules []*yaml.Node `yaml:"rules,required"`
	}
	if err := yamlfile.Decode(n, what, &file); err != nil {
		return err
	}
	if len(file.Rules) == 0 {
		return yamlfile.At(n, "%s needs at least one rule", what)
	}
	for i, n := range file.Rules {
		if i > 0 {
			if last := (*l)[i-1]; last.Match == nil && last.Model == "" && last.Agent == "" {
				return yamlfile.At(n, "no message reaches this rule: the one at line %d fits every message", last.line)
			}
		}
		r := rule{line: n.Line}
		if err := yamlfile.Decode(n, "a rule", &r); err != nil {
			return err
		}
		*l = append(*l, r)
	}
	return nil
}

// matcher reports whether a message is one that a rule is for.
type matcher func(message string) bool

// DecodeYAML implements yamlfile.Decoder.
func (m *matcher) DecodeYAML(n *yaml.Node, what string) error {
	var fields struct {
		Text     string `yaml:"text,empty"`
		Contains string `yaml:"contains,empty"`
		Regexp   string `yaml:"regexp,empty"`
	}
	key, value, err := yamlfile.Single(n, what, "text", "contains", "regexp")
	if err != nil {
		return err
	}
	if err := yamlfile.Decode(n, what, &fields); err != nil {
		return err
	}
	switch key {
	case "text":
		*m = func(message string) bool { return message == fields.Text }
	case "contains":
		*m = func(message string) bool { return strings.Contains(message, fields.Contains) }
	default:
		compiled, err := regexp.Compile(fields.Regexp)
		if err != nil {
			return yamlfile.At(value, "regexp is malformed: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		*m = compiled.MatchString
	}
	return nil
}

// pattern is a model, or the start of one and a "*".
type pattern string

// CheckYAML implements yamlfile.Checker.
func (p pattern) CheckYAML(n *yaml.Node) error {
	if err := checkPattern(string(p)); err != nil {
		return yamlfile.At(n, "%s", err)
	}
	return nil
}
