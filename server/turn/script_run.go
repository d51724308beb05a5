package turn

import (
	"context"
	"fmt"
)

// scripted plays a Script.
type scripted struct {
	script *Script
	clock  Clock
}

// Run implements Runner.
func (r *scripted) Run(ctx context.Context, in Input, out Sink) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	chosen, err := r.script.choose(in)
	if err != nil {
		return "", err
	}
	at, err := locate(chosen.steps, in.Entries)
	if err != nil {
		return "", fmt.Errorf("%s: the rule at line %d: %w", r.script.name, chosen.line, err)
	}
	if at.waiting {
		return RequiresAction, nil
	}
	p := player{clock: r.clock, out: out, text: in.Message(), result: at.result}
	if at.allowed != nil {
		if err := p.finish(ctx, *at.allowed, at.allowedUse); err != nil {
			return "", err
		}
	}
	return p.play(ctx, at.rest)
}

// choose returns the first rule that fits the turn.
func (s *Script) choose(in Input) (rule, error) {
	for _, r := range s.rules {
		if r.fits(in) {
			return r, nil
		}
	}
	message, cut := in.Message(), ""
	if runes := []rune(message); len(runes) > 200 {
		message, cut = string(runes[:200]), " (cut)"
	}
	return rule{}, Failuref("%s: no rule fits the message %q%s to the agent %q (%s) with the model %q",
		s.name, message, cut, in.Agent.Name, in.Agent.ID, in.Agent.Model)
}

// position is where a turn stands.
type position struct {
	rest []step
	// waiting is whether the latest use has no result or confirmation yet.
	waiting bool
	// allowed, unless nil, is the step of the latest use, which was confirmed and whose result is due.
	allowed    *toolStep
	allowedUse string
	result     string
}

// locate finds where the turn stands: each use in entries is one tool step, and what comes before the
// latest has been done.
func locate(steps []step, entries []Entry) (position, error) {
	at := position{rest: steps, result: latestResult(entries)}
	for _, use := range entries {
		if !uses(use) {
			continue
		}
		used, rest := nextUse(at.rest)
		at.rest, at.allowed = rest, nil
		switch s := used.(type) {
		case customToolStep:
			if use.Kind != CustomToolUse || use.Name != s.name {
				return at, mismatch(use)
			}
			_, done := find(entries, CustomToolResult, use.ID)
			at.waiting = !done
		case toolStep:
			if use.Kind != ToolUse || use.Name != s.name {
				return at, mismatch(use)
			}
			if !s.ask {
				break
			}
			confirmation, settled := find(entries, ToolConfirmation, use.ID)
			_, done := find(entries, ToolResult, use.ID)
			switch {
			case !settled:
				at.waiting = true
			case confirmation.Denied && s.denied != nil:
				at.rest = s.denied
			case !confirmation.Denied && !done:
				at.allowed, at.allowedUse = &s, use.ID
			}
		default:
			return at, mismatch(use)
		}
		if at.waiting {
			break
		}
	}
	return at, nil
}

// nextUse returns the first step that uses a tool, nil when none does, and what follows it.
func nextUse(steps []step) (step, []step) {
	for i, s := range steps {
		switch s.(type) {
		case toolStep, customToolStep:
			return s, steps[i+1:]
		}
	}
	return nil, nil
}

func mismatch(use Entry) error {
	return Failuref("the turn has used %q where the script does not", use.Name)
}

// latestResult returns the text of the latest result or denial.
func latestResult(entries []Entry) string {
	var text string
	for _, e := range entries {
		if e.Kind == ToolResult || e.Kind == CustomToolResult || e.Kind == ToolConfirmation && e.Denied {
			text = e.Text
		}
	}
	return text
}

// player does the steps of one call.
type player struct {
	clock        Clock
	out          Sink
	text, result string
}

func (p *player) play(ctx context.Context, steps []step) (Outcome, error) {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		outcome, err := p.do(ctx, s)
		if outcome != "" || err != nil {
			return outcome, err
		}
	}
	return EndTurn, nil
}

// do does one step; an outcome ends the call.
func (p *player) do(ctx context.Context, s step) (Outcome, error) {
	switch s := s.(type) {
	case thinkStep:
		return "", p.out.Thinking(ctx)
	case sayStep:
		return "", p.say(ctx, s)
	case waitStep:
		return "", p.clock.Sleep(ctx, s.wait)
	case toolStep:
		use, err := p.out.UseTool(ctx, s.name, s.input, s.ask)
		if err != nil {
			return "", err
		}
		if s.ask {
			return RequiresAction, nil
		}
		return "", p.finish(ctx, s, use)
	case customToolStep:
		if _, err := p.out.UseCustomTool(ctx, s.name, s.input); err != nil {
			return "", err
		}
		return RequiresAction, nil
	case usageStep:
		p.out.Spend(s.usage)
		return "", nil
	case failStep:
		return "", &Failure{s.message}
	case panicStep:
		panic(ScriptPanic(s.message))
	case stopStep:
		return s.outcome, nil
	}
	return "", fmt.Errorf("a step of the unknown kind %T", s)
}

func (p *player) say(ctx context.Context, s sayStep) error {
	fill := placeholders(p.text, p.result)
	for i, piece := range s.pieces {
		if i > 0 {
			if err := p.clock.Sleep(ctx, s.every); err != nil {
				return err
			}
		}
		if piece = fill(piece); piece == "" {
			continue
		}
		if err := p.out.Say(ctx, piece); err != nil {
			return err
		}
	}
	return p.out.EndMessage(ctx)
}

// finish records the result of a built-in tool.
func (p *player) finish(ctx context.Context, s toolStep, use string) error {
	p.result = s.result
	return p.out.ToolResult(ctx, use, s.result, s.failed)
}
