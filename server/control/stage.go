package control

import (
	"context"
	"sync/atomic"

	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Base is what a stage does as long as a test has not changed it.
type Base struct {
	// Runner runs the turns; nil repeats the messages.
	Runner turn.Runner
	// Faults fail requests; nil fails none.
	Faults *faults.Injector
}

// Stage is what one test controls of a server: the runner of its turns, which of its requests fail, and which were sent. It is
// safe for concurrent use.
type Stage struct {
	base   Base
	runner atomic.Pointer[turn.Runner]
	faults faults.Injector
	failed atomic.Bool // whether Fail was called, so that the base's faults do not apply
	record record
}

// NewStage returns a stage that nobody has changed, whose recorded requests may occupy that many bytes.
func NewStage(base Base, maxRecorded int) *Stage {
	if base.Runner == nil {
		base.Runner = turn.NewEcho(turn.EchoOptions{})
	}
	s := &Stage{base: base}
	s.record.maxBytes = maxRecorded
	s.Reset()
	return s
}

// Play makes r run the turns from now on; nil is the stage's own runner.
func (s *Stage) Play(r turn.Runner) {
	if r == nil {
		r = s.base.Runner
	}
	s.runner.Store(&r)
}

// Fail replaces the plan by which requests fail, and counts requests from now on. A nil plan fails none.
func (s *Stage) Fail(plan *faults.Plan) {
	s.faults.Use(plan)
	s.failed.Store(true)
}

// Injector returns what Fail changes, for a server that has no other faults.
func (s *Stage) Injector() *faults.Injector { return &s.faults }

// Reset undoes Play and Fail and forgets the recorded requests.
func (s *Stage) Reset() {
	s.Play(nil)
	s.failed.Store(false)
	s.faults.Use(nil)
	s.record.clear()
}

// Requests returns copies of the recorded requests, oldest first: all of them, or those of the named operations.
func (s *Stage) Requests(operations ...string) []Request { return s.record.list(operations) }

// Run implements turn.Runner.
func (s *Stage) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	return (*s.runner.Load()).Run(ctx, in, out)
}

// Next returns what happens to the next request for an operation.
func (s *Stage) Next(operation string) faults.Fault {
	if s.failed.Load() {
		return s.faults.Next(operation)
	}
	return s.base.Faults.Next(operation)
}
