package faults

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// Injector selects the fault of each request. The zero value has no plan, and neither has a nil Injector. It is safe
// for concurrent use; the order of the calls of Next is the sequence of the requests.
type Injector struct {
	mu     sync.Mutex
	rules  []Rule
	counts []int
	chance []*rand.Rand
}

// NewInjector returns an Injector that follows a plan.
func NewInjector(p *Plan) *Injector {
	i := &Injector{}
	i.Use(p)
	return i
}

// Use replaces the plan, or removes it if p is nil. Counting starts again.
func (i *Injector) Use(p *Plan) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rules, i.counts, i.chance = nil, nil, nil
	if p == nil {
		return
	}
	i.rules, i.counts = p.rules, make([]int, len(p.rules))
	for n := range p.rules {
		i.chance = append(i.chance, rand.New(rand.NewPCG(p.seed, uint64(n))))
	}
}

// Next counts a request for an operation and returns its fault: the latencies of all rules that apply to it, and what
// the first of them does that does more than wait.
func (i *Injector) Next(operation string) (f Fault) {
	if i == nil {
		return f
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := range i.rules {
		r := &i.rules[n]
		if !r.covers(operation) || !i.takes(n) {
			continue
		}
		f.latency += r.Latency
		if f.rule == nil && r.ends() {
			f.rule = r
		}
	}
	return f
}

// takes counts a request and reports whether the rule applies to it.
func (i *Injector) takes(n int) bool {
	r := &i.rules[n]
	i.counts[n]++
	switch count := i.counts[n]; {
	case r.Nth > 0 && count != r.Nth, r.Every > 0 && count%r.Every != 0, r.First > 0 && count > r.First:
		return false
	}
	return r.Probability == 0 || i.chance[n].Float64() < r.Probability
}

// Fault is what happens to one request. The zero value is nothing.
type Fault struct {
	latency time.Duration
	rule    *Rule // nil if there is only the latency
}

// None reports whether nothing happens to the request.
func (f Fault) None() bool { return f.latency == 0 && f.rule == nil }

// Kind names the fault, for logs and metrics: latency, answer_429, drop_before, drop_after or cut.
func (f Fault) Kind() string {
	switch {
	case f.rule == nil:
		return "latency"
	case f.rule.Answer != nil:
		return "answer_" + strconv.Itoa(f.rule.Answer.Status)
	case f.rule.Drop != "":
		return "drop_" + string(f.rule.Drop)
	}
	return "cut"
}

// Latency is the time that passes before the request is handled.
func (f Fault) Latency() time.Duration { return f.latency }

// Own returns the answer of a fault that the server itself would give, the contract's error, and what the fault does
// besides; nil for a fault of a gateway or the network. The caller sends the answer where the server would: after it has
// authenticated and validated the request and claimed its idempotency key.
func (f Fault) Own() (*Answer, Fault) {
	if f.rule == nil || f.rule.Answer == nil || f.rule.Answer.body() != ErrorBody {
		return nil, f
	}
	return f.rule.Answer, Fault{latency: f.latency}
}
