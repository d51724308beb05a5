package turn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ByModel is a Runner that passes each turn on to the runner of its agent's model.
type ByModel struct {
	exact    map[string]named
	prefixes []modelPrefix
	fallback named
}

// named is a runner and its name; the zero value is none.
type named struct {
	name string
	Runner
}

// modelPrefix sends the models that start with prefix to runner.
type modelPrefix struct {
	prefix string
	runner named
}

// NewByModel returns the ByModel that config describes: it maps patterns of models to names of runners. A
// pattern is a model's name, or the start of one and a "*"; "*" alone is every model. An exact
// name wins over patterns, and of these the longest wins. Models that no pattern fits go to the runner
// named fallback; when that is "", their turns fail.
//
// The error names every pattern that is malformed and every runner that is not in runners, nil ones
// included.
func NewByModel(config map[string]string, runners map[string]Runner, fallback string) (*ByModel, error) {
	m := &ByModel{exact: map[string]named{}}
	var errs []error
	lookup := func(what, name string) named {
		if runners[name] == nil {
			known := slices.DeleteFunc(slices.Sorted(maps.Keys(runners)), func(k string) bool { return runners[k] == nil })
			errs = append(errs, fmt.Errorf("%s: unknown runner %q; the runners are: %s",
				what, name, cmp.Or(strings.Join(known, ", "), "none")))
		}
		return named{name, runners[name]}
	}
	for _, pattern := range slices.Sorted(maps.Keys(config)) {
		what := fmt.Sprintf("route %q", pattern)
		if err := checkPattern(pattern); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		runner := lookup(what, config[pattern])
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			m.prefixes = append(m.prefixes, modelPrefix{prefix, runner})
		} else {
			m.exact[pattern] = runner
		}
	}
	if fallback != "" {
		m.fallback = lookup("fallback", fallback)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(m.prefixes, func(a, b modelPrefix) int {
		return cmp.Compare(len(b.prefix), len(a.prefix))
	})
	return m, nil
}

// Run implements Runner. A model without a runner is an error that names it.
func (m *ByModel) Run(ctx context.Context, in Input, out Sink) (Outcome, error) {
	runner := m.pick(in.Agent.Model)
	if runner.Runner == nil {
		return "", Failuref("no runner for the model %q", in.Agent.Model)
	}
	return runner.Run(ctx, in, out)
}

// NameOf implements Namer.
func (m *ByModel) NameOf(model string) string { return m.pick(model).name }

// Namer is a Runner that tells the name of the one that runs the turns of agents with a model; "" for none.
type Namer interface{ NameOf(model string) string }

// NameOf returns the name of the runner that runs the turns of agents with a model, as metrics have it; "custom" where a
// runner does not tell it.
func NameOf(r Runner, model string) string {
	if n, ok := r.(Namer); ok {
		return cmp.Or(n.NameOf(model), "none")
	}
	if _, ok := r.(*Echo); ok {
		return "echo"
	}
	return "custom"
}

func (m *ByModel) pick(model string) named {
	if runner, ok := m.exact[model]; ok {
		return runner
	}
	for _, p := range m.prefixes {
		if strings.HasPrefix(model, p.prefix) {
			return p.runner
		}
	}
	return m.fallback
}

// checkPattern returns an error unless pattern is a pattern of models: not empty, "*" only at its end.
func checkPattern(pattern string) error {
	switch at := strings.Index(pattern, "*"); {
	case pattern == "":
		return errors.New("a model pattern must not be empty")
	case at >= 0 && at < len(pattern)-1:
		return errors.New("in a model pattern, '*' may only be the last character")
	}
	return nil
}

// fits reports whether model fits pattern, which checkPattern must accept.
func fits(pattern, model string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(model, prefix)
	}
	return pattern == model
}
