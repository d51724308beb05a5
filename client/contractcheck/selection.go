package contractcheck

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
)

// UnknownNameError reports a name in [Options] that is neither an operation of the contract nor a check.
type UnknownNameError struct {
	// Name is the name; Similar are operations and checks with a similar one.
	Name    string
	Similar []string
}

// Error returns one sentence.
func (e *UnknownNameError) Error() string {
	text := fmt.Sprintf("%q is neither an operation of the contract nor a check", e.Name)
	if len(e.Similar) > 0 {
		text += "; did you mean " + strings.Join(e.Similar, " or ")
	}
	return text
}

// Names returns what [Options] can name: the checks, and the operations in the order in which they are tried.
func Names() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.Name)
	}
	for _, s := range plan {
		names = append(names, s.operation)
	}
	return names
}

// selection is what a run is about: the operations and the checks that were selected, without those that were skipped.
type selection struct {
	operations map[string]bool
	checks     map[string]bool
	needed     map[string]bool // operations that make what the selected ones need
}

// newSelection returns the selection of options. Names of operations narrow the operations, names of checks the checks.
func newSelection(compiled *contract.Contract, o Options) (*selection, error) {
	s := &selection{operations: map[string]bool{}, checks: map[string]bool{}, needed: map[string]bool{}}
	var onlyOperations, onlyChecks []string
	for _, name := range slices.Concat(o.Only, o.Skip) {
		switch {
		case compiled.Operation(name) == nil && checkNamed(name) == nil:
			return nil, &UnknownNameError{Name: name, Similar: similarNames(compiled, name)}
		case !slices.Contains(o.Only, name):
		case checkNamed(name) != nil:
			onlyChecks = append(onlyChecks, name)
		default:
			onlyOperations = append(onlyOperations, name)
		}
	}
	for _, step := range plan {
		s.operations[step.operation] = !slices.Contains(o.Skip, step.operation) && (len(onlyOperations) == 0 || slices.Contains(onlyOperations, step.operation))
	}
	for _, c := range checks() {
		s.checks[c.Name] = !slices.Contains(o.Skip, c.Name) && (len(onlyChecks) == 0 || slices.Contains(onlyChecks, c.Name))
	}
	for _, step := range plan {
		if s.operations[step.operation] {
			s.need(compiled, step)
		}
	}
	return s, nil
}

// need adds the operations that make what a step needs: those that create what its path and its bodies name, and what is
// at the path itself.
func (s *selection) need(compiled *contract.Contract, of step) {
	op := compiled.Operation(of.operation)
	names := slices.Concat(pathParameters(op.Path), of.needs)
	unmade := slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(plan, func(other step) bool { return creates(compiled, other, name) })
	})
	for _, other := range plan {
		maker := compiled.Operation(other.operation)
		if s.needed[other.operation] || other.operation == of.operation {
			continue
		}
		writes := maker.Method == http.MethodPost && !strings.HasSuffix(maker.Path, "}")
		makes := slices.ContainsFunc(names, func(name string) bool { return other.holds == name && (maker.Method == http.MethodPost || unmade) })
		fills := writes && other.bodies != nil && (maker.Path == op.Path || strings.HasPrefix(op.Path, maker.Path+"/"))
		if makes || fills || unmade && creates(compiled, other, other.holds) {
			s.needed[other.operation] = true
			s.need(compiled, other)
		}
	}
}

// creates reports whether a step creates what a path parameter names.
func creates(compiled *contract.Contract, of step, name string) bool {
	return of.holds == name && name != "" && compiled.Operation(of.operation).Method == http.MethodPost
}

// has reports whether a check of an operation is selected.
func (s *selection) has(check, operation string) bool {
	return s.checks[check] && s.operations[operation]
}

// runs reports whether a check of an operation runs: it is selected, or a selected check observes what it sends.
func (s *selection) runs(c *check, operation string) bool {
	if c.Name == checkExamples {
		return s.operations[operation] || s.needed[operation]
	}
	return s.has(c.Name, operation) || slices.ContainsFunc(checks(), func(observer *check) bool {
		return slices.Contains(observer.fedBy, c.Name) && s.has(observer.Name, operation)
	})
}

// similarNames returns the operations and checks that contain a name, or are contained in it, whatever the letter case.
func similarNames(compiled *contract.Contract, name string) (similar []string) {
	name = strings.ToLower(strings.Trim(name, " -_"))
	offer := func(known string) {
		lower := strings.ToLower(known)
		if name != "" && (strings.Contains(lower, name) || strings.Contains(name, lower)) && len(similar) < 3 {
			similar = append(similar, known)
		}
	}
	for op := range compiled.Operations() {
		offer(op.ID)
	}
	for _, c := range checks() {
		offer(c.Name)
	}
	return similar
}
