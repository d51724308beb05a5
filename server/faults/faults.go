// Package faults makes a server fail on purpose, to rehearse the failures of gateways and networks: it responds in the
// server's place, late, partly, or not at all. What it does depends only on its rules, its seed and the sequence of
// the requests. It knows HTTP and the contract's operations, and nothing about the server.
package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
)

// Rule describes which requests fail, and how. Requests are counted from 1, for the rule's operations together,
// regardless of other rules. A rule has a latency, or one of Answer, Drop and Cut, or both.
type Rule struct {
	// Operations are operationIds; without any, the rule applies to every operation.
	Operations []string `yaml:"operations,single"`
	// Nth is the only request that fails. At most one of Nth, Every and First is set; without, all requests fail.
	Nth int `yaml:"nth,min=1,max=1000000000"`
	// Every is the distance between the requests that fail.
	Every int `yaml:"every,min=1,max=1000000000"`
	// First is how many requests fail, before all others succeed.
	First int `yaml:"first,min=1,max=1000000000"`
	// Probability is the chance of each of these requests to fail, above 0 to 1; 0 means that all fail.
	Probability float64

	// Latency passes before the request is handled, 1 hour at most.
	Latency time.Duration `yaml:"latency"`
	// Answer is sent in the place of what the server would respond.
	Answer *Answer `yaml:"answer"`
	// Drop closes the connection without a response.
	Drop Drop `yaml:"drop"`
	// Cut closes the connection in the middle of the server's response.
	Cut *Cut `yaml:"cut"`
}

// Answer is a response in the handler's place. With ErrorBody it is one of the server's own: an invalid request or a replay
// for an idempotency key comes before it. Any other one is a gateway's, which the server does not receive the request of.
type Answer struct {
	// Status is the HTTP status, 200 to 599. With ErrorBody it must be a status that has a type of error.
	Status int `yaml:"status,required"`
	// Body is ErrorBody by default.
	Body Body `yaml:"body"`
	// RetryAfter, when set, is how long the caller should wait, 1 hour at most: whole seconds are sent in the header
	// Retry-After, other durations in milliseconds in Retry-After-Ms.
	RetryAfter time.Duration `yaml:"retry_after"`
}

// Body is the kind of an Answer's body.
type Body string

// The bodies of answers.
const (
	// ErrorBody is the contract's error, of the type that belongs to the status.
	ErrorBody Body = "error"
	// HTMLBody is a page such as gateways send.
	HTMLBody Body = "html"
	// BrokenJSON is JSON whose end is missing.
	BrokenJSON Body = "broken_json"
	// EmptyBody is an empty body.
	EmptyBody Body = "empty"
)

// Drop is the time at which a connection is closed.
type Drop string

// The times of a drop.
const (
	// DropBefore is before the server receives the request.
	DropBefore Drop = "before"
	// DropAfter is after the server has handled the request.
	DropAfter Drop = "after"
)

// Cut is the place at which a longer response ends: after the headers, unless one of the numbers is set. A response
// that ends at that place by itself is unchanged.
type Cut struct {
	// Bytes is how many bytes of the body are sent.
	Bytes int `yaml:"bytes,min=1,max=1000000000"`
	// Events is how many complete events of a stream are sent; comments do not count.
	Events int `yaml:"events,min=1,max=1000000000"`
}

// The bounds of rules.
const (
	maxWait  = time.Hour
	maxCount = 1_000_000_000
)

// Plan is valid rules, and the seed of their probabilities. It is immutable.
type Plan struct {
	seed  uint64
	rules []Rule
}

// NewPlan returns a plan. The error names the invalid rule, by its number from 0, and its mistake.
func NewPlan(seed uint64, rules ...Rule) (*Plan, error) {
	p := &Plan{seed: seed}
	for i, r := range rules {
		if _, message := p.add(r); message != "" {
			return nil, fmt.Errorf("rule %d: %s", i, message)
		}
	}
	return p, nil
}

// add appends a rule, or returns its mistake and the key of a fault file that it belongs to; "" is the complete rule.
func (p *Plan) add(r Rule) (key, message string) {
	known, err := operations()
	if err != nil {
		return "", err.Error()
	}
	if key, message = r.mistake(known); message != "" {
		return key, message
	}
	for i := range p.rules {
		if p.rules[i].hides(&r) {
			return "", "no request reaches this rule: an earlier rule matches them all"
		}
	}
	p.rules = append(p.rules, r)
	return "", ""
}

// operations returns the contract's operationIds, sorted.
func operations() ([]string, error) {
	c, err := contract.Load()
	if err != nil {
		return nil, err
	}
	var ids []string
	for op := range c.Operations() {
		ids = append(ids, op.ID)
	}
	return ids, nil
}

// streamOperation is the operation whose response is a stream.
const streamOperation = "streamEvents"

func (r *Rule) mistake(known []string) (key, message string) {
	for _, op := range r.Operations {
		if !slices.Contains(known, op) {
			return "operations", fmt.Sprintf("the contract has no operation %q; its operations are: %s", op, strings.Join(known, ", "))
		}
	}
	counts := 0
	for _, n := range []struct {
		key   string
		value int
	}{{"nth", r.Nth}, {"every", r.Every}, {"first", r.First}} {
		if n.value < 0 || n.value > maxCount {
			return n.key, fmt.Sprintf("%s must be a whole number from 1 to %d, not %d", n.key, maxCount, n.value)
		}
		if n.value > 0 {
			counts++
		}
		if counts > 1 {
			return n.key, "nth, every and first exclude one another"
		}
	}
	if !(r.Probability >= 0 && r.Probability <= 1) {
		return "probability", fmt.Sprintf("probability must be a number above 0, 1 at most, not %v", r.Probability)
	}
	return r.faultMistake()
}

func (r *Rule) faultMistake() (key, message string) {
	faults := 0
	for _, set := range []bool{r.Answer != nil, r.Drop != "", r.Cut != nil} {
		if set {
			faults++
		}
	}
	switch {
	case !within(r.Latency):
		return "latency", fmt.Sprintf("latency must be a duration from 0s to 1h, not %s", r.Latency)
	case faults > 1:
		return "", "answer, drop and cut exclude one another"
	case faults == 0 && r.Latency == 0:
		return "", "a rule needs a fault: latency, answer, drop or cut"
	case r.Answer != nil:
		return "answer", r.Answer.mistake()
	case r.Drop != "" && r.Drop != DropBefore && r.Drop != DropAfter:
		return "drop", fmt.Sprintf("drop must be before or after, not %q", r.Drop)
	case r.Cut != nil:
		return "cut", r.Cut.mistake(r.Operations)
	}
	return "", ""
}

func within(d time.Duration) bool { return d >= 0 && d <= maxWait }

func (a *Answer) mistake() string {
	switch body := a.body(); {
	case !slices.Contains([]Body{ErrorBody, HTMLBody, BrokenJSON, EmptyBody}, body):
		return fmt.Sprintf("body must be error, html, broken_json or empty, not %q", body)
	case a.Status < 200 || a.Status > 599:
		return fmt.Sprintf("status must be a whole number from 200 to 599, not %d", a.Status)
	case body == ErrorBody && problem.TypeOf(a.Status) == "":
		return fmt.Sprintf("the contract has no error for the status %d, only for %s; choose another body: html, broken_json or empty",
			a.Status, strings.Trim(fmt.Sprint(problem.Statuses()), "[]"))
	case body != EmptyBody && (a.Status == http.StatusNoContent || a.Status == http.StatusNotModified):
		return fmt.Sprintf("a response with the status %d has no body; choose body: empty", a.Status)
	case !within(a.RetryAfter):
		return fmt.Sprintf("retry_after must be a duration from 0s to 1h, not %s", a.RetryAfter)
	case a.RetryAfter%time.Millisecond != 0:
		return fmt.Sprintf("retry_after must be whole milliseconds, not %s", a.RetryAfter)
	}
	return ""
}

// body is Body or its default.
func (a *Answer) body() Body {
	if a.Body == "" {
		return ErrorBody
	}
	return a.Body
}

func (c *Cut) mistake(operations []string) string {
	switch {
	case c.Bytes < 0 || c.Bytes > maxCount || c.Events < 0 || c.Events > maxCount:
		return fmt.Sprintf("bytes and events must be whole numbers from 0 to %d", maxCount)
	case c.Bytes > 0 && c.Events > 0:
		return "bytes and events exclude one another"
	case c.Events > 0 && len(operations) > 0 && !slices.Contains(operations, streamOperation):
		return "only the operation " + streamOperation + " has events; cut after bytes"
	}
	return ""
}

// hides reports whether r prevents the later rule from ever applying.
func (r *Rule) hides(later *Rule) bool {
	if r.Nth+r.Every+r.First > 0 || r.Probability > 0 && r.Probability < 1 || !r.ends() || later.Latency > 0 {
		return false
	}
	for _, op := range later.Operations {
		if !r.covers(op) {
			return false
		}
	}
	return len(later.Operations) > 0 || len(r.Operations) == 0
}

// covers reports whether the rule counts requests for the operation.
func (r *Rule) covers(op string) bool {
	return len(r.Operations) == 0 || slices.Contains(r.Operations, op)
}

// ends reports whether the rule does more than wait.
func (r *Rule) ends() bool { return r.Answer != nil || r.Drop != "" || r.Cut != nil }
