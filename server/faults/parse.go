package faults

import (
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/server/internal/strictyaml"
)

// FileError says what is wrong in a fault file, and where: its fields are File, the name that ParsePlan was given,
// Line and Column, from 1, or 0 where unknown, and Message, one sentence without the place.
type FileError = strictyaml.Error

// LoadPlan reads and parses the fault file at path. An error of what is in it is a *FileError that names the file by
// its base name.
func LoadPlan(path string) (*Plan, error) { return strictyaml.Load(path, noun, parsePlan) }

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
// The keys are the fields of Rule and of what is in it. Anchors, aliases and tags are refused, as are unknown keys
// and rules that no request reaches.
func ParsePlan(name string, data []byte) (*Plan, error) {
	return strictyaml.Parse(name, noun, data, parsePlan)
}

const noun = "fault file"

func parsePlan(root *yaml.Node) (*Plan, error) {
	top, err := strictyaml.Mapping(root, "a fault file", "seed", "rules")
	if err != nil {
		return nil, err
	}
	var seed int64
	if err := strictyaml.Optional(top, "seed", upTo(math.MaxInt64), &seed); err != nil {
		return nil, err
	}
	nodes, err := strictyaml.Sequence(top["rules"], root, "rules")
	if err != nil {
		return nil, err
	}
	p := &Plan{seed: uint64(seed)}
	for _, n := range nodes {
		r, err := parseRule(n)
		if err != nil {
			return nil, err
		}
		if key, message := p.add(r); message != "" {
			return nil, strictyaml.At(strictyaml.Under(n, key), "%s", message)
		}
	}
	return p, nil
}

// reader reads a value of a key.
type reader[T any] = func(n *yaml.Node, what string) (T, error)

func parseRule(n *yaml.Node) (r Rule, err error) {
	fields, err := strictyaml.Mapping(n, "a rule", "operations", "nth", "every", "first", "probability", "latency", "answer", "drop", "cut")
	if err != nil {
		return r, err
	}
	read := func(read error) {
		if err == nil {
			err = read
		}
	}
	read(strictyaml.Optional(fields, "operations", operationList, &r.Operations))
	read(strictyaml.Optional(fields, "nth", positive, &r.Nth))
	read(strictyaml.Optional(fields, "every", positive, &r.Every))
	read(strictyaml.Optional(fields, "first", positive, &r.First))
	read(strictyaml.Optional(fields, "probability", probability, &r.Probability))
	read(strictyaml.Optional(fields, "latency", strictyaml.Duration, &r.Latency))
	read(strictyaml.Optional(fields, "answer", parseAnswer, &r.Answer))
	read(strictyaml.Optional(fields, "drop", text[Drop], &r.Drop))
	read(strictyaml.Optional(fields, "cut", parseCut, &r.Cut))
	return r, err
}

func parseAnswer(n *yaml.Node, what string) (*Answer, error) {
	fields, err := strictyaml.Mapping(n, what, "status", "body", "retry_after")
	if err != nil {
		return nil, err
	}
	if fields["status"] == nil {
		return nil, strictyaml.At(n, "answer needs a status")
	}
	a := &Answer{}
	var status int64
	for _, err := range []error{
		strictyaml.Optional(fields, "status", upTo(999), &status),
		strictyaml.Optional(fields, "body", text[Body], &a.Body),
		strictyaml.Optional(fields, "retry_after", strictyaml.Duration, &a.RetryAfter),
	} {
		if err != nil {
			return nil, err
		}
	}
	a.Status = int(status)
	return a, nil
}

func parseCut(n *yaml.Node, what string) (*Cut, error) {
	fields, err := strictyaml.Mapping(n, what, "bytes", "events")
	if err != nil {
		return nil, err
	}
	c := &Cut{}
	if err := strictyaml.Optional(fields, "bytes", positive, &c.Bytes); err != nil {
		return nil, err
	}
	return c, strictyaml.Optional(fields, "events", positive, &c.Events)
}

// upTo reads whole numbers from 0 to most.
func upTo(most int64) reader[int64] {
	return func(n *yaml.Node, what string) (int64, error) { return strictyaml.Count(n, what, most) }
}

// positive reads a whole number of at least 1: a file that says 0 means something else.
func positive(n *yaml.Node, what string) (int, error) {
	count, err := strictyaml.Count(n, what, maxCount)
	if err == nil && count == 0 {
		err = strictyaml.At(n, "%s must be at least 1, or absent", what)
	}
	return int(count), err
}

func probability(n *yaml.Node, what string) (float64, error) {
	if tag := n.ShortTag(); n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float") {
		if p, err := strconv.ParseFloat(n.Value, 64); err == nil && p > 0 && p <= 1 {
			return p, nil
		}
	}
	return 0, strictyaml.At(n, "%s must be a number above 0, 1 at most, not %s", what, strictyaml.Shown(n))
}

// operationList reads one operationId, or a list of them.
func operationList(n *yaml.Node, what string) ([]string, error) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	if len(nodes) == 0 {
		return nil, strictyaml.At(n, "%s must not be empty; leave it out to mean every operation", what)
	}
	var list []string
	for _, node := range nodes {
		op, err := strictyaml.SomeText(node, what)
		if err != nil {
			return nil, err
		}
		list = append(list, op)
	}
	return list, nil
}

// text reads a text that is one of a few.
func text[T ~string](n *yaml.Node, what string) (T, error) {
	got, err := strictyaml.SomeText(n, what)
	return T(got), err
}
