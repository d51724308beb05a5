// Package faults makes a server fail on purpose, for rehearsals of what gateways and networks do: it answers in the
// server's place, late, in part, or not at all. What it does depends on nothing but its rules, its seed and the
// sequence of the requests. It knows HTTP and the contract's operations, nothing of the server behind.
package faults

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Rule says which requests fail, and how. Requests are counted from 1, over the rule's operations together,
// whatever other rules do to them. A rule has a latency, or one of Answer, Drop and Cut, or both.
type Rule struct {
	// Operations are operationIds; none is every operation.
	Operations []string `yaml:"operations,single"`
	// Nth is the only request that fails. At most one of Nth, Every and First is set; without, all requests fail.
	Nth int `yaml:"nth,min=1,max=1000000000"`
	// Every is the distance between the requests that fail.
	Every int `yaml:"every,min=1,max=1000000000"`
	// First is how many requests fail before the rest is spared.
	First int `yaml:"first,min=1,max=1000000000"`
	// Probability is the chance of each of these requests to fail, above 0 to 1; 0 makes sure of it.
	Probability float64

	// Latency passes before the request is handled, 1 hour at most.
	Latency time.Duration `yaml:"latency"`
	// Answer is given in the server's place, which never hears of the request.
	Answer *Answer `yaml:"answer"`
	// Drop ends the connection without an answer.
	Drop Drop `yaml:"drop"`
	// Cut ends the connection in the middle of the server's answer.
	Cut *Cut `yaml:"cut"`
}

// Answer is an answer that the server did not give.
type Answer struct {
	// Status is the HTTP status, 200 to 599. With ErrorBody it is one that has a type of error of its own.
	Status int `yaml:"status,required"`
	// Body is ErrorBody by default.
	Body Body `yaml:"body"`
	// RetryAfter, when set, is what the caller is asked to wait, 1 hour at most: whole seconds go into the header
	// Retry-After, all else in milliseconds into Retry-After-Ms.
	RetryAfter time.Duration `yaml:"retry_after"`
}

// Body says what an Answer holds.
type Body string

// The bodies of answers.
const (
	// ErrorBody is the contract's error, of the type that goes with the status.
	ErrorBody Body = "error"
	// HTMLBody is a page, as gateways have it.
	HTMLBody Body = "html"
	// BrokenJSON is JSON, as its content type says, whose end is missing.
	BrokenJSON Body = "broken_json"
	// EmptyBody is none.
	EmptyBody Body = "empty"
)

// Drop says when a connection ends.
type Drop string

// The times of a drop.
const (
	// DropBefore is before the server hears of the request.
	DropBefore Drop = "before"
	// DropAfter is after the server has done what the request asks for.
	DropAfter Drop = "after"
)

// Cut says where an answer ends that has more; after the headers, without either number. An answer that ends there
// anyway is left alone.
type Cut struct {
	// Bytes of the body are sent.
	Bytes int `yaml:"bytes,min=1,max=1000000000"`
	// Events of a stream are sent, whole; comments do not count.
	Events int `yaml:"events,min=1,max=1000000000"`
}

// The bounds of rules.
const (
	maxWait  = time.Hour
	maxCount = 1_000_000_000
)

// errorKinds are the types of error that a status has.
var errorKinds = map[int]types.ErrorType{
	http.StatusBadRequest:          types.ErrorTypeInvalidRequestError,
	http.StatusUnauthorized:        types.ErrorTypeAuthenticationError,
	http.StatusForbidden:           types.ErrorTypePermissionError,
	http.StatusNotFound:            types.ErrorTypeNotFoundError,
	http.StatusConflict:            types.ErrorTypeConflictError,
	http.StatusTooManyRequests:     types.ErrorTypeRateLimitError,
	http.StatusInternalServerError: types.ErrorTypeAPIError,
	http.StatusNotImplemented:      types.ErrorTypeFeatureNotAvailable,
	http.StatusServiceUnavailable:  types.ErrorTypeOverloadedError,
}

// Plan is rules that make sense, and the seed of their probabilities. It does not change once it is made.
type Plan struct {
	seed  uint64
	rules []Rule
}

// NewPlan returns a plan. The error names the rule, by its number from 0, and what is wrong in it.
func NewPlan(seed uint64, rules ...Rule) (*Plan, error) {
	p := &Plan{seed: seed}
	for i, r := range rules {
		if _, message := p.add(r); message != "" {
			return nil, fmt.Errorf("rule %d: %s", i, message)
		}
	}
	return p, nil
}

// add appends a rule, or says what is wrong in it, and under which key of a file; "" is the rule as a whole.
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
			return "", "no request reaches this rule: an earlier one takes them all"
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

// streamOperation is the one operation whose answer is a stream.
const streamOperation = "streamEvents"

func (r *Rule) mistake(known []string) (key, message string) {
	for _, op := range r.Operations {
		if !slices.Contains(known, op) {
			return "operations", fmt.Sprintf("the contract has no operation %q; there are: %s", op, strings.Join(known, ", "))
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
	case body == ErrorBody && errorKinds[a.Status] == "":
		return fmt.Sprintf("the contract has no error for the status %d, only for %s; choose another body: html, broken_json or empty",
			a.Status, strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(errorKinds))), "[]"))
	case body != EmptyBody && (a.Status == http.StatusNoContent || a.Status == http.StatusNotModified):
		return fmt.Sprintf("an answer with the status %d has no body; choose body: empty", a.Status)
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
		return fmt.Sprintf("cut takes whole numbers from 0 to %d", maxCount)
	case c.Bytes > 0 && c.Events > 0:
		return "bytes and events exclude one another"
	case c.Events > 0 && len(operations) > 0 && !slices.Contains(operations, streamOperation):
		return "only the operation " + streamOperation + " has events; cut after bytes"
	}
	return ""
}

// hides reports whether no request that r sees ever comes to do what the later rule says.
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

// covers reports whether the rule counts the operation's requests.
func (r *Rule) covers(op string) bool {
	return len(r.Operations) == 0 || slices.Contains(r.Operations, op)
}

// ends reports whether the rule does more than to wait.
func (r *Rule) ends() bool { return r.Answer != nil || r.Drop != "" || r.Cut != nil }
