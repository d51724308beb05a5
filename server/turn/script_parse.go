package turn

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseScript parses a script; name is what errors and failing turns call it. Every error is a
// *ScriptError.
func ParseScript(name string, data []byte) (*Script, error) {
	root, err := document(data)
	if err == nil {
		var rules []rule
		if rules, err = parseRules(root); err == nil {
			return &Script{name: name, rules: rules}, nil
		}
	}
	var wrong *ScriptError
	if !errors.As(err, &wrong) {
		wrong = &ScriptError{Message: err.Error()}
	}
	wrong.File = name
	return nil, wrong
}

// document returns the root of the one document in data.
func document(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, &ScriptError{Message: "the script is empty; it needs rules"}
	} else if err != nil {
		return nil, syntaxError(err)
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, faultAt(&more, "a script is one document; here begins a second one")
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(err)
	}
	return doc.Content[0], checkPlain(doc.Content[0])
}

// syntaxError turns an error of the YAML parser, which has the line in its text only, into ours.
func syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	wrong := &ScriptError{Message: "not valid YAML: " + text}
	if found := regexp.MustCompile(`^line (\d+): (?s:(.*))$`).FindStringSubmatch(text); found != nil {
		wrong.Line, _ = strconv.Atoi(found[1])
		wrong.Message = "not valid YAML: " + found[2]
	}
	return wrong
}

func parseRules(root *yaml.Node) ([]rule, error) {
	top, err := mapping(root, "a script", "rules")
	if err != nil {
		return nil, err
	}
	nodes, err := sequence(top["rules"], root, "rules")
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, faultAt(root, "a script needs at least one rule")
	}
	rules := make([]rule, 0, len(nodes))
	for _, n := range nodes {
		if len(rules) > 0 {
			if last := rules[len(rules)-1]; last.matches == nil && last.model == "" && last.agent == "" {
				return nil, faultAt(n, "no message reaches this rule: the one at line %d fits them all", last.line)
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
	fields, err := mapping(n, "a rule", "match", "model", "agent", "steps")
	if err != nil {
		return r, err
	}
	if m, ok := fields["match"]; ok {
		if r.matches, err = parseMatch(m); err != nil {
			return r, err
		}
	}
	if m, ok := fields["model"]; ok {
		if r.model, err = someText(m, "model"); err != nil {
			return r, err
		}
		if err := checkPattern(r.model); err != nil {
			return r, faultAt(m, "%s", err.Error())
		}
	}
	if m, ok := fields["agent"]; ok {
		if r.agent, err = someText(m, "agent"); err != nil {
			return r, err
		}
	}
	r.steps, err = parseSteps(fields["steps"], n, "steps")
	return r, err
}

func parseMatch(n *yaml.Node) (func(string) bool, error) {
	key, value, err := single(n, "match", "text", "contains", "regexp")
	if err != nil {
		return nil, err
	}
	want, err := anyText(value, key)
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
		return nil, faultAt(value, "regexp is malformed: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return pattern.MatchString, nil
}
