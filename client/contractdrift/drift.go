// Package contractdrift tells what changed between two recordings of an API, or between a recording and the contract: the
// operations, the statuses, the headers, the fields and the kinds of events, not the values.
package contractdrift

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client/recording"
)

// Change is a difference.
type Change struct {
	// Operation is the operationId, or the method and the path of a request outside of the contract.
	Operation string `json:"operation"`
	// Status is that of the response; 0 for the request and for the operation as a whole.
	Status int `json:"status,omitempty"`
	// Message is what changed, without the operation and the status.
	Message string `json:"message"`
}

// String returns one line.
func (c Change) String() string {
	switch {
	case c.Status != 0:
		return fmt.Sprintf("%s %d: %s", c.Operation, c.Status, c.Message)
	}
	return c.Operation + ": " + c.Message
}

// Compare returns what changed from one recording to another, sorted by operation and status. Where only one of them has an
// operation, a status or an object, what is in it is not compared. A null is of any type, and what is in objects whose names callers
// choose, such as metadata, is not compared.
func Compare(before, after *recording.Recording) ([]Change, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	a, err := shapeOf(compiled, before)
	if err != nil {
		return nil, err
	}
	b, err := shapeOf(compiled, after)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, name := range union(a, b) {
		x, y := a[name], b[name]
		add := func(status int, messages ...string) {
			for _, m := range messages {
				changes = append(changes, Change{name, status, m})
			}
		}
		if x == nil || y == nil {
			add(0, "the operation "+happened(x == nil))
			continue
		}
		add(0, compareFields("request field", x.request, y.request)...)
		for _, status := range union(x.statuses, y.statuses) {
			s, t := x.statuses[status], y.statuses[status]
			if s == nil || t == nil {
				add(status, "the status "+happened(s == nil))
				continue
			}
			add(status, compareNames("header", s.headers, t.headers)...)
			add(status, compareFields("field", s.body, t.body)...)
			add(status, compareNames("event", s.events, t.events)...)
			for _, kind := range union(s.events, t.events) {
				if e, f := s.events[kind], t.events[kind]; e != nil && f != nil {
					add(status, compareFields("event "+kind+": field", e, f)...)
				}
			}
		}
	}
	return changes, nil
}

// union returns the keys of two maps, sorted.
func union[K interface{ ~int | ~string }, V any](a, b map[K]V) []K {
	both := map[K]bool{}
	for k := range a {
		both[k] = true
	}
	for k := range b {
		both[k] = true
	}
	return slices.Sorted(maps.Keys(both))
}

// happened is the verb for what is missing before, or after.
func happened(missingBefore bool) string {
	if missingBefore {
		return "appeared"
	}
	return "vanished"
}

// compareNames tells which names appeared and vanished.
func compareNames[V any](what string, a, b map[string]V) (messages []string) {
	for _, name := range union(a, b) {
		_, before := a[name]
		if _, after := b[name]; before != after {
			messages = append(messages, fmt.Sprintf("%s %s %s", what, name, happened(!before)))
		}
	}
	return messages
}

// compareFields tells which fields appeared, vanished or changed their type, in objects that both have.
func compareFields(what string, a, b fields) (messages []string) {
	for _, path := range union(a, b) {
		x, y := a[path], b[path]
		switch {
		case x == nil && y == nil:
		case x == nil:
			if a[y.parent] != nil {
				messages = append(messages, fmt.Sprintf("%s %s appeared", what, path))
			}
		case y == nil:
			if b[x.parent] != nil {
				messages = append(messages, fmt.Sprintf("%s %s vanished", what, path))
			}
		default:
			before, after := x.typeNames(), y.typeNames()
			if before != "" && after != "" && before != after {
				messages = append(messages, fmt.Sprintf("%s %s changed from %s to %s", what, path, before, after))
			}
			if disjoint(x.kinds, y.kinds) {
				messages = append(messages, fmt.Sprintf("%s %s changed its type from %s to %s", what, path, names(x.kinds), names(y.kinds)))
			}
		}
	}
	return messages
}

// disjoint reports whether two sets that are not empty have nothing in common.
func disjoint(a, b map[string]bool) bool {
	for name := range a {
		if b[name] {
			return false
		}
	}
	return len(a) > 0 && len(b) > 0
}

// names writes a set.
func names(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), " or ")
}
