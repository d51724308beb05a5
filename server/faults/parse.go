package faults

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// FileError reports what is wrong in a fault file, and where: its fields are File, the name that ParsePlan was given,
// Line and Column, from 1, or 0 where unknown, and Message, one sentence without the place.
type FileError = yamlfile.Error

// LoadPlan reads and parses the fault file at path. An error in its content is a *FileError that names the file by
// its base name.
func LoadPlan(path string) (*Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("fault file: %w", err)
	}
	return ParsePlan(filepath.Base(path), data)
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
	var file struct {
		Seed  uint64     `yaml:"seed"`
		Rules []ruleFile `yaml:"rules,required"`
	}
	if err := yamlfile.Parse(name, "fault file", data, &file); err != nil {
		return nil, err
	}
	p := &Plan{seed: file.Seed}
	for _, r := range file.Rules {
		r.Rule.Probability = float64(r.Probability)
		if key, message := p.add(r.Rule); message != "" {
			wrong := yamlfile.At(cmp.Or(yamlfile.Under(r.node, key), r.node), "%s", message)
			wrong.File = name
			return nil, wrong
		}
	}
	return p, nil
}

// ruleFile is a Rule in YAML.
type ruleFile struct {
	Rule
	Probability probability `yaml:"probability"`
	node        *yaml.Node
}

// DecodeYAML implements yamlfile.Decoder.
func (r *ruleFile) DecodeYAML(n *yaml.Node, _ string) error {
	type fields ruleFile
	r.node = n
	if err := yamlfile.Decode(n, "a rule", (*fields)(r)); err != nil {
		return err
	}
	if operations := yamlfile.Under(n, "operations"); operations != nil && len(r.Operations) == 0 {
		return yamlfile.At(operations, "operations must not be empty; leave it out to mean every operation")
	}
	return nil
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
