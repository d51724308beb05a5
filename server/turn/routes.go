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

// Routes is a Runner that passes each turn on to the runner of its agent's model.
type Routes struct {
	exact    map[string]Runner
	prefixes []prefixRoute
	fallback Runner
}

// prefixRoute sends the models that start with prefix to runner.
type prefixRoute struct {
	prefix string
	runner Runner
}

// NewRoutes returns the Routes that config describes: it maps patterns of models to names of runners. A
// pattern is a model's name, or the start of one and a "*"; "*" alone is every model. The exact name
// goes before patterns, and of these the longest first. Models that no pattern fits go to the runner
// named fallback; when that is "", their turns fail.
//
// The error names every pattern that is malformed and every runner that is not in runners, nil ones
// included.
func NewRoutes(config map[string]string, runners map[string]Runner, fallback string) (*Routes, error) {
	routes := &Routes{exact: map[string]Runner{}}
	var errs []error
	lookup := func(what, name string) Runner {
		if runners[name] == nil {
			known := slices.DeleteFunc(slices.Sorted(maps.Keys(runners)), func(k string) bool { return runners[k] == nil })
			errs = append(errs, fmt.Errorf("%s: unknown runner %q; there are: %s",
				what, name, cmp.Or(strings.Join(known, ", "), "none")))
		}
		return runners[name]
	}
	for _, pattern := range slices.Sorted(maps.Keys(config)) {
		what := fmt.Sprintf("route %q", pattern)
		if err := checkPattern(pattern); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		runner := lookup(what, config[pattern])
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			routes.prefixes = append(routes.prefixes, prefixRoute{prefix, runner})
		} else {
			routes.exact[pattern] = runner
		}
	}
	if fallback != "" {
		routes.fallback = lookup("fallback", fallback)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(routes.prefixes, func(a, b prefixRoute) int {
		return cmp.Compare(len(b.prefix), len(a.prefix))
	})
	return routes, nil
}

// Run implements Runner. A model without a runner is an error that names it.
func (r *Routes) Run(ctx context.Context, in Input, out Sink) (Outcome, error) {
	runner := r.pick(in.Agent.Model)
	if runner == nil {
		return "", Failuref("no runner for the model %q", in.Agent.Model)
	}
	return runner.Run(ctx, in, out)
}

func (r *Routes) pick(model string) Runner {
	if runner, ok := r.exact[model]; ok {
		return runner
	}
	for _, route := range r.prefixes {
		if strings.HasPrefix(model, route.prefix) {
			return route.runner
		}
	}
	return r.fallback
}

// checkPattern returns an error unless pattern is one of models: not empty, "*" only at its end.
func checkPattern(pattern string) error {
	switch at := strings.Index(pattern, "*"); {
	case pattern == "":
		return errors.New("a model pattern must not be empty")
	case at >= 0 && at < len(pattern)-1:
		return errors.New("in a model pattern, '*' may only be the last character")
	}
	return nil
}

// fits reports whether model is one that pattern, which checkPattern accepts, stands for.
func fits(pattern, model string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(model, prefix)
	}
	return pattern == model
}
