package openai

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/api/lazyregexp"
)

// profile is how requests to one model of the endpoint are written. It begins with what Options.Compat says; what the
// endpoint refuses is left out from then on, for as long as the process lives. A profile is never changed: with makes a
// new one.
type profile struct {
	noStream, noStreamOptions bool
	systemAsUser              bool // the system's text is a part of the first user message
	content                   contentForm
	derivedIDs                bool // calls have ids of ours instead of the model's
	calls                     callsForm
	noFields                  bool // nothing of a response is returned but its text and calls
	noEmptyParameters         bool
	dropped                   map[string]bool // names of fields and keywords that were refused
	maxBytes                  int             // of the messages, 0 for no bound
	bytesPerToken             float64         // 0 when it is not known
}

// callsForm is how earlier tool calls are told.
type callsForm int

const (
	callsNative callsForm = iota
	callsOwn              // those of another endpoint or model are text
	callsNone             // all are text
)

// sent tells what a request has that endpoints refuse.
type sent struct {
	system       bool
	calls        int
	foreign      bool // some calls came from another endpoint or model
	noContent    bool // a message has calls and no text
	ownIDs       bool // calls have the ids that the model gave them
	noParameters bool // a tool has none
	fields       map[string]bool
	keywords     map[string]bool
	bytes        int
	turns        int // before the current one
}

// adaptation is what an endpoint's refusal teaches.
type adaptation struct {
	// name is that of Options.Compat; "" for one that cannot be asked for.
	name string
	// refusal is found in the endpoint's words; nil for what is decided by adapt.
	refusal func() *regexp.Regexp
	// adapt changes the profile for the next request; it returns false when that request would be the same.
	adapt func(p *profile, s sent, words string) bool
}

// adaptations are in the order in which they are tried.
var adaptations = []adaptation{
	{"no-stream-options", lazyregexp.New(`(?i)stream_options|include_usage`), func(p *profile, _ sent, _ string) bool {
		return turnOn(&p.noStreamOptions)
	}},
	{"no-stream", lazyregexp.New(`(?i)verified to stream|\bstream(ing)?\b.{0,60}(not|n't|un)[ -]?(be )?(support|allow|permit|available|enabled)|unsupported.{0,40}\bstream`),
		func(p *profile, _ sent, _ string) bool { return turnOn(&p.noStream) }},
	{"system-as-user", lazyregexp.New(`(?i)(system|developer) (role|message|prompt|instruction)s?.{0,60}(not|n't|un)|\brole\b.{0,80}\b(system|developer)\b|roles must alternate|only user`),
		func(p *profile, s sent, _ string) bool { return s.system && turnOn(&p.systemAsUser) }},
	{"no-returned-fields", nil, dropField},
	{"", lazyregexp.New(`(?i)\bcontent\b|\btext\b.{0,40}(blank|empty)|message.{0,40}(empty|blank)`), nextContentForm},
	{"derived-ids", lazyregexp.New(`(?i)(tool|function)[ _]?calls?[ _.]?id|tool_calls?.{0,40}\bid\b|\bid\b.{0,60}tool`),
		func(p *profile, s sent, _ string) bool { return s.ownIDs && turnOn(&p.derivedIDs) }},
	{"no-empty-parameters", lazyregexp.New(`(?i)non-?empty.{0,30}object|propert.{0,60}empty|parameters.{0,60}empty|empty.{0,40}(parameters|propert)`),
		func(p *profile, s sent, _ string) bool { return s.noParameters && turnOn(&p.noEmptyParameters) }},
	{"", nil, dropKeyword},
	{"calls-as-text", lazyregexp.New(`(?i)thought_?signature|passed back|tool|function.?call|reasoning|thinking`), tellCalls},
	{"content-omitted", nil, nil},
	{"content-null", nil, nil},
}

// turnOn sets what was false.
func turnOn(flag *bool) bool {
	changed := !*flag
	*flag = true
	return changed
}

// complaint is found in words that say that something is missing, of which dropping more is no cure.
var complaint = lazyregexp.New(`(?i)must be (passed|present|provided|included)|missing|required`)

// dropField leaves out a field of an earlier response that the endpoint does not want back.
func dropField(p *profile, s sent, words string) bool {
	return !complaint().MatchString(words) && p.drop(slices.Sorted(maps.Keys(s.fields)), func(name string) bool {
		return regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(words)
	})
}

// dropKeyword leaves out a keyword of the tools' schemas. One that is an ordinary word must be in quotes.
func dropKeyword(p *profile, s sent, words string) bool {
	return p.drop(slices.Sorted(maps.Keys(s.keywords)), func(name string) bool {
		if strings.ToLower(name) == name && name[0] != '$' {
			return regexp.MustCompile("[\"'`.]" + name + "[\"'`]").MatchString(words)
		}
		return strings.Contains(words, name)
	})
}

// drop adds the names that were refused to those that are left out.
func (p *profile) drop(names []string, refused func(name string) bool) bool {
	dropped := maps.Clone(p.dropped)
	if dropped == nil {
		dropped = map[string]bool{}
	}
	for _, name := range names {
		if refused(name) {
			dropped[name] = true
		}
	}
	changed := len(dropped) > len(p.dropped)
	p.dropped = dropped
	return changed
}

// nextContentForm tries the next way to say that a message has no text.
func nextContentForm(p *profile, s sent, _ string) bool {
	if !s.noContent || p.content == contentNull {
		return false
	}
	p.content++
	return true
}

// tellCalls turns calls into text: first those that the endpoint cannot know.
func tellCalls(p *profile, s sent, _ string) bool {
	switch {
	case s.calls == 0 || p.calls == callsNone:
		return false
	case p.calls == callsNative && s.foreign:
		p.calls = callsOwn
	default:
		p.calls = callsNone
	}
	return true
}

// tooLong is found in the words of an endpoint whose window is too small for a request.
var tooLong = lazyregexp.New(`(?i)context.?(length|window|size|limit)|n_ctx|(maximum|max|exceed|too many|limit).{0,60}tokens|` +
	`tokens.{0,60}(maximum|exceed|limit)|(prompt|input|request|message).{0,30}too (long|large|big)|reduce the length`)

// policy is found in the words of an endpoint that refused what a request says, not its form.
var policy = lazyregexp.New(`(?i)content.?(filter|management|policy)|moderation`)

// adapt returns the profile to try next after a refusal; ok is false when there is none.
func (p profile) adapt(e *EndpointError, s sent) (next profile, ok bool) {
	words := e.Message + " " + e.hint
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden, e.Status == http.StatusTooManyRequests,
		policy().MatchString(words):
		return p, false
	case e.Status == http.StatusRequestEntityTooLarge || tooLong().MatchString(words):
		p.maxBytes = s.bytes / 2
		return p, s.turns > 0
	}
	for _, a := range adaptations {
		if a.adapt != nil && (a.refusal == nil || a.refusal().MatchString(words)) && a.adapt(&p, s, words) {
			return p, true
		}
	}
	return p, false
}

// CompatNames returns the names that Options.Compat may have.
func CompatNames() []string {
	var names []string
	for _, a := range adaptations {
		if a.name != "" {
			names = append(names, a.name)
		}
	}
	return names
}

// newProfile returns the profile that names ask for.
func newProfile(names []string) (p profile, err error) {
	for _, name := range names {
		switch name {
		case "no-stream-options":
			p.noStreamOptions = true
		case "no-stream":
			p.noStream = true
		case "system-as-user":
			p.systemAsUser = true
		case "no-returned-fields":
			p.noFields = true
		case "derived-ids":
			p.derivedIDs = true
		case "no-empty-parameters":
			p.noEmptyParameters = true
		case "calls-as-text":
			p.calls = callsNone
		case "content-omitted":
			p.content = contentOmitted
		case "content-null":
			p.content = contentNull
		default:
			return p, fmt.Errorf("unknown name %q; use %s", name, strings.Join(CompatNames(), ", "))
		}
	}
	return p, nil
}

// maxProfiles bounds the models whose profiles are remembered; callers choose their agents' models.
const maxProfiles = 1000

// profiles remembers the profiles of the endpoint's models. It is safe for concurrent use.
type profiles struct {
	first profile
	mu    sync.Mutex
	known map[string]profile
}

// of returns a model's profile.
func (ps *profiles) of(model string) profile {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p, ok := ps.known[model]; ok {
		return p
	}
	return ps.first
}

// remember keeps a profile with which the endpoint accepted a request.
func (ps *profiles) remember(model string, p profile) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if _, known := ps.known[model]; known || len(ps.known) < maxProfiles {
		ps.known[model] = p
	}
}
