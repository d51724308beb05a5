package faults

import (
	"cmp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// FileError reports what is wrong in a fault file, and where: its fields are File, the name that ParsePlan was given,
// Line and Column, from 1, or 0 where unknown, and Message, one sentence without the place.
type FileError = yamlfile.Error

const noun = "fault file"

// LoadPlan reads and parses the fault file at path. An error in its content is a *FileError that names the file by
// its base name.
func LoadPlan(path string) (*Plan, error) {
	var file planFile
	if err := yamlfile.Load(path, noun, &file); err != nil {
		return nil, err
	}
	return &file.plan, nil
}

// ParsePlan parses a fault file, which is a Plan in YAML; name is what errors call it. Every error is a *FileError.
//
//	seed: 7                               # of the probabilities; 0 by default
//	rules:
//	  - operations: [createSession, sendEvents]   # or one; every operation by default
//	    first: 2                          # or nth: 2, or every: 2; all requests by default
//	    answer: {status: 429, retry_after: 2s}    # 1500ms goes into Retry-After-Ms
//	  - operations: listSessions
//	    probability: 0.25
//	    answer: {status: 502, body: html} # or error, the default; broken_json; empty
//	  - operations: streamEvents
//	    every: 3
//	    cut: {events: 4}                  # or bytes: 100; {} is after the headers
//	  - nth: 10
//	    drop: after                       # the request is handled; or before
//	  - latency: 50ms
//
// The keys are the fields of Rule and of what it contains. Anchors, aliases and tags are refused, as are unknown keys
// and rules that no request reaches.
func ParsePlan(name string, data []byte) (*Plan, error) {
	var file planFile
	if err := yamlfile.Parse(name, noun, data, &file); err != nil {
		return nil, err
	}
	return &file.plan, nil
}

// planFile is a Plan in YAML.
type planFile struct{ plan Plan }

// DecodeYAML implements yamlfile.Decoder.
func (f *planFile) DecodeYAML(n *yaml.Node, what string) error {
	var fields struct {
		Seed  uint64       `yaml:"seed"`
		Rules []*yaml.Node `yaml:"rules,required"`
	}
	if err := yamlfile.Decode(n, what, &fields); err != nil {
		return err
	}
	f.plan.seed = fields.Seed
	for _, n := range fields.Rules {
		rule, err := decodeRule(n)
		if err != nil {
			return err
		}
		if key, message := f.plan.add(rule); message != "" {
			return yamlfile.At(cmp.Or(yamlfile.Under(n, key), n), "%s", message)
		}
	}
	return nil
}

func decodeRule(n *yaml.Node) (Rule, error) {
	var fields struct {
		Rule
		Probability probability `yaml:"probability"`
	}
	err := yamlfile.Decode(n, "a rule", &fields)
	fields.Rule.Probability = float64(fields.Probability)
	if operations := yamlfile.Under(n, "operations"); err == nil && operations != nil && len(fields.Operations) == 0 {
		err = yamlfile.At(operations, "operations must not be empty; leave it out to mean every operation")
	}
	return fields.Rule, err
}

// probability is a number above 0, up to 1: a file that says 0 means something else.
type probability float64

// DecodeYAML implements yamlfile.Decoder.
func (p *probability) DecodeYAML(n *yaml.Node, what string) error {
	number, err := strconv.ParseFloat(n.Value, 64)
	if !yamlfile.IsNumber(n) || err != nil || !(number > 0 && number <= 1) {
		return yamlfile.At(n, "%s must be a number above 0, 1 at most, not %s", what, yamlfile.Shown(n))
	}
	*p = probability(number)
	return nil
}
