package turn_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

func TestByModelConformance(t *testing.T) {
	t.Parallel()
	turntest.Run(t, func(t *testing.T) turn.Runner {
		runners := map[string]turn.Runner{"echo": turn.NewEcho(turn.EchoOptions{})}
		return must(turn.NewByModel(map[string]string{"te*": "echo"}, runners, ""))(t)
	})
}

// must fails the test on the error of the call that it is given.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// named is a runner that says its name.
type named string

func (n named) Run(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
	return turn.EndTurn, out.Say(ctx, string(n))
}

func TestByModel(t *testing.T) {
	t.Parallel()
	runners := map[string]turn.Runner{"a": named("a"), "b": named("b"), "c": named("c"), "d": named("d")}
	config := map[string]string{"gpt-5": "a", "gpt-*": "b", "gpt-5*": "c"}
	for name, c := range map[string]struct {
		config                map[string]string
		fallback, model, want string
	}{
		"exact":             {config, "d", "gpt-5", "a"},
		"longest prefix":    {config, "d", "gpt-5-mini", "c"},
		"prefix":            {config, "d", "gpt-4", "b"},
		"prefix itself":     {config, "d", "gpt-", "b"},
		"fallback":          {config, "d", "ultimate", "d"},
		"case counts":       {config, "d", "GPT-5", "d"},
		"none":              {config, "", "ultimate", ""},
		"star":              {map[string]string{"*": "a", "x*": "b"}, "d", "ultimate", "a"},
		"star comes last":   {map[string]string{"*": "a", "x*": "b"}, "d", "x1", "b"},
		"fallback only":     {nil, "d", "ultimate", "d"},
		"nothing at all":    {nil, "", "ultimate", ""},
		"model with a star": {map[string]string{"x*": "b"}, "d", "x*", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			runner := must(turn.NewByModel(c.config, runners, c.fallback))(t)
			in := turntest.Input("hi")
			in.Agent.Model = c.model
			var rec turntest.Recorder
			_, err := runner.Run(t.Context(), in, &rec)
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), `"`+c.model+`"`) {
					t.Errorf("error %v, want one that names the model", err)
				}
				return
			}
			if got := strings.Join(rec.Messages(), ""); err != nil || got != c.want {
				t.Errorf("runner %q with error %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestByModelErrors(t *testing.T) {
	t.Parallel()
	runners := map[string]turn.Runner{"echo": named("echo"), "script": named("script"), "off": nil}
	for name, c := range map[string]struct {
		config   map[string]string
		fallback string
		want     []string
	}{
		"unknown":     {map[string]string{"gpt-*": "opnai"}, "echo", []string{`route "gpt-*": unknown runner "opnai"; the runners are: echo, script`}},
		"nil":         {map[string]string{"gpt-*": "off"}, "", []string{`route "gpt-*": unknown runner "off"; the runners are: echo, script`}},
		"fallback":    {nil, "ecko", []string{`fallback: unknown runner "ecko"; the runners are: echo, script`}},
		"empty":       {map[string]string{"": "echo"}, "", []string{`route "": a model pattern must not be empty`}},
		"star inside": {map[string]string{"g*t": "echo"}, "", []string{`route "g*t": in a model pattern, '*' may only be the last character`}},
		"two stars":   {map[string]string{"g**": "echo"}, "", []string{`route "g**": in a model pattern, '*' may only be the last character`}},
		"several": {map[string]string{"b": "y", "a": "x"}, "", []string{
			`route "a": unknown runner "x"; the runners are: echo, script`, `route "b": unknown runner "y"; the runners are: echo, script`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := turn.NewByModel(c.config, runners, c.fallback)
			if err == nil || err.Error() != strings.Join(c.want, "\n") {
				t.Errorf("error %v\n want %s", err, strings.Join(c.want, "\n"))
			}
		})
	}
	if _, err := turn.NewByModel(nil, nil, "echo"); err == nil || !strings.HasSuffix(err.Error(), "the runners are: none") {
		t.Errorf("error %v", err)
	}
}
