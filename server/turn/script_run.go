package turn

import (
	"context"
	"fmt"
	"slices"
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
	at, err := locate(chosen.Steps, in.Entries)
	if err != nil {
		return "", fmt.Errorf("%s: the rule at line %d: %w", r.script.name, chosen.line, err)
	}
	if at.waiting {
		return RequiresAction, nil
	}
	tools, problems, err := in.Tools(ctx)
	if err != nil {
		return "", err
	}
	p := &player{script: r.script.name, clock: r.clock, out: out, tools: tools, text: in.Message(), result: at.result}
	for _, problem := range problems {
		if err := out.Problem(ctx, problem); err != nil {
			return "", err
		}
	}
	if waits, err := p.settle(ctx, at.open, in.Rescheduled); waits || err != nil {
		return RequiresAction, err
	}
	if at.allowed != nil {
		if err := at.allowed.finish(ctx, p, at.allowedUse); err != nil {
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
	rest stepList
	// waiting is whether the latest use has no result or confirmation yet.
	waiting bool
	// allowed, unless nil, is the step of the latest use, which was confirmed and whose result is due.
	allowed    *toolStep
	allowedUse string
	result     string
	// open has the latest use and its confirmation, if a use step made it and it has no result.
	open []Entry
}

// locate finds where the turn stands: each use in entries is one tool step, and the steps before the
// latest use have been played.
func locate(steps stepList, entries []Entry) (position, error) {
	at := position{rest: steps, result: latestResult(entries)}
	for _, use := range entries {
		if !use.IsUse() {
			continue
		}
		used, rest := nextUse(at.rest)
		at.rest, at.allowed, at.open = rest, nil, nil
		switch s := used.(type) {
		case customToolStep:
			if use.Kind != CustomToolUse || use.Name != s.Name {
				return at, mismatch(use)
			}
			_, done := find(entries, CustomToolResult, use.ID)
			at.waiting = !done
		case useStep:
			if use.Name != s.Tool || use.MCPServer != s.MCPServer {
				return at, mismatch(use)
			}
			if confirmation, _ := find(entries, ToolConfirmation, use.ID); confirmation.Denied && s.Denied != nil {
				at.rest = s.Denied
			}
			at.open = about(entries, use.ID)
		case toolStep:
			if use.Kind != ToolUse || use.Name != s.Name {
				return at, mismatch(use)
			}
			if !s.Ask {
				break
			}
			confirmation, settled := find(entries, ToolConfirmation, use.ID)
			_, done := find(entries, ToolResult, use.ID)
			switch {
			case !settled:
				at.waiting = true
			case confirmation.Denied && s.Denied != nil:
				at.rest = s.Denied
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
func nextUse(steps stepList) (step, stepList) {
	for i, s := range steps {
		switch s.(type) {
		case useStep, toolStep, customToolStep:
			return s, steps[i+1:]
		}
	}
	return nil, nil
}

// about returns the entries of a use: itself, its confirmation and its results.
func about(entries []Entry, use string) (about []Entry) {
	for _, e := range entries {
		if e.ID == use || e.UseID == use {
			about = append(about, e)
		}
	}
	return about
}

// find returns the newest entry of that kind that belongs to the use.
func find(entries []Entry, kind EntryKind, use string) (Entry, bool) {
	for _, e := range slices.Backward(entries) {
		if e.Kind == kind && e.UseID == use {
			return e, true
		}
	}
	return Entry{}, false
}

func mismatch(use Entry) error {
	return Failuref("the turn has used %q where the script does not", use.Name)
}

// latestResult returns the text of the latest result or denial.
func latestResult(entries []Entry) string {
	var text string
	for _, e := range entries {
		if e.IsResult() || e.Kind == ToolConfirmation && e.Denied {
			text = e.Text
		}
	}
	return text
}

// player is what the steps of one call share.
type player struct {
	script       string // its name
	clock        Clock
	out          Sink
	tools        Offers
	text, result string
}

func (p *player) play(ctx context.Context, steps stepList) (Outcome, error) {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		outcome, err := s.do(ctx, p)
		if outcome != "" || err != nil {
			return outcome, err
		}
	}
	return EndTurn, nil
}
