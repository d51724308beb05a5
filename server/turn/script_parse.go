package turn

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/server/internal/strictyaml"
)

// ParseScript parses a script; name is what errors and failing turns call it. Every error is a
// *ScriptError.
func ParseScript(name string, data []byte) (*Script, error) {
	rules, err := strictyaml.Parse(name, "script", data, parseRules)
	if err != nil {
		return nil, err
	}
	return &Script{name: name, rules: rules}, nil
}

func parseRules(root *yaml.Node) ([]rule, error) {
	top, err := strictyaml.Mapping(root, "a script", "rules")
	if err != nil {
		return nil, err
	}
	nodes, err := strictyaml.Sequence(top["rules"], root, "rules")
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, strictyaml.At(root, "a script needs at least one rule")
	}
	rules := make([]rule, 0, len(nodes))
	for _, n := range nodes {
		if len(rules) > 0 {
			if last := rules[len(rules)-1]; last.matches == nil && last.model == "" && last.agent == "" {
				return nil, strictyaml.At(n, "no message reaches this rule: the one at line %d fits them all", last.line)
			}
		}
		r, err := parseRule(n)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(n *yaml.Node) (rule, error) {
	r := rule{line: n.Line}
	fields, err := strictyaml.Mapping(n, "a rule", "match", "model", "agent", "steps")
	if err != nil {
		return r, err
	}
	if m, ok := fields["match"]; ok {
		if r.matches, err = parseMatch(m); err != nil {
			return r, err
		}
	}
	if m, ok := fields["model"]; ok {
		if r.model, err = strictyaml.SomeText(m, "model"); err != nil {
			return r, err
		}
		if err := checkPattern(r.model); err != nil {
			return r, strictyaml.At(m, "%s", err.Error())
		}
	}
	if m, ok := fields["agent"]; ok {
		if r.agent, err = strictyaml.SomeText(m, "agent"); err != nil {
			return r, err
		}
	}
	r.steps, err = parseSteps(fields["steps"], n, "steps")
	return r, err
}

func parseMatch(n *yaml.Node) (func(string) bool, error) {
	key, value, err := strictyaml.Single(n, "match", "text", "contains", "regexp")
	if err != nil {
		return nil, err
	}
	want, err := strictyaml.AnyText(value, key)
	if err != nil {
		return nil, err
	}
	switch key {
	case "text":
		return func(message string) bool { return message == want }, nil
	case "contains":
		return func(message string) bool { return strings.Contains(message, want) }, nil
	}
	pattern, err := regexp.Compile(want)
	if err != nil {
		return nil, strictyaml.At(value, "regexp is malformed: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return pattern.MatchString, nil
}
