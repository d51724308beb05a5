package contractcheck

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// place is where an operation is tried.
type place struct {
	ids     map[string]string // of path parameters
	unknown bool              // nothing exists there
}

// fill returns the path of a template.
func (p place) fill(template string) string {
	for name, id := range p.ids {
		template = strings.ReplaceAll(template, "{"+name+"}", url.PathEscape(id))
	}
	return template
}

// pathParameters are the names in a template, outermost first.
func pathParameters(template string) []string {
	var names []string
	for _, segment := range strings.Split(template, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// places returns where an operation is tried: a read on something that exists and on something that does not, an archive
// or a deletion on everything that was created, any other operation on one of it. ok is false when there is nothing to
// change.
func (r *run) places(op target) (places []place, ok bool) {
	names := pathParameters(op.Path)
	if len(names) == 0 {
		return []place{{}}, true
	}
	known, last := place{ids: map[string]string{}}, names[len(names)-1]
	for _, name := range names {
		known.ids[name] = r.id(name)
		if op.Method != http.MethodGet && len(r.made[name]) == 0 {
			return nil, false
		}
	}
	if op.Method == http.MethodGet {
		unknown := place{ids: maps.Clone(known.ids), unknown: true}
		for _, name := range names {
			if name == last || unknown.ids[name] == "" {
				unknown.ids[name] = prefix(name) + "0"
			}
		}
		if slices.Contains(slices.Collect(maps.Values(known.ids)), "") {
			return []place{unknown}, true
		}
		return []place{known, unknown}, true
	}
	if op.Method != http.MethodDelete && !strings.HasSuffix(op.Path, "/archive") {
		return []place{known}, true
	}
	for _, id := range r.made[last] {
		one := place{ids: maps.Clone(known.ids)}
		one.ids[last] = id
		places = append(places, one)
	}
	return places, true
}

// id is what a path parameter is tried with: what the run has created, or else what was there before; "" for nothing.
func (r *run) id(name string) string {
	if made := r.made[name]; len(made) > 0 {
		return made[0]
	}
	return r.seen[name]
}

// prefix is the beginning of the ids that a path parameter takes, up to the underscore.
func prefix(name string) string {
	id := exampleIDs[name]
	return id[:strings.IndexByte(id, '_')+1]
}

// learn keeps the ids in a successful response: of what was created, exists, or was deleted.
func (r *run) learn(op target, at place, response json.RawMessage) {
	type record struct {
		ID      string      `json:"id"`
		Version json.Number `json:"version"`
	}
	var got struct {
		record
		Data []record `json:"data"`
	}
	if response == nil || json.Unmarshal(response, &got) != nil {
		return
	}
	names := pathParameters(op.Path)
	if op.Method == http.MethodDelete || strings.HasSuffix(op.Path, "/redact") { // which can be done once
		last := names[len(names)-1]
		r.made[last] = slices.DeleteFunc(slices.Clone(r.made[last]), func(id string) bool { return id == at.ids[last] })
		return
	}
	if name := op.holds; name != "" {
		for _, rec := range append(got.Data, got.record) {
			switch {
			case !strings.HasPrefix(rec.ID, prefix(name)) || slices.Contains(r.made[name], rec.ID):
			case op.Method == http.MethodPost, r.own(names, at):
				r.made[name] = append(r.made[name], rec.ID)
			default:
				r.seen[name] = cmp.Or(r.seen[name], rec.ID)
			}
		}
	}
	if got.Version != "" && got.ID == r.id("agent_id") {
		r.version = got.Version
	}
}

// own reports whether the run has created what the path parameters of a place name, and with it what is there.
func (r *run) own(names []string, at place) bool {
	for _, name := range names {
		if !slices.Contains(r.made[name], at.ids[name]) {
			return false
		}
	}
	return len(names) > 0
}

// bodies are the contract's examples of an operation's body, changed to fit what exists; nil alone where it has none.
func (r *run) bodies(op target) []json.RawMessage {
	switch {
	case op.TakesForm(): // examples with several files need as many
		return []json.RawMessage{nil, nil}
	case len(op.bodies) == 0:
		return []json.RawMessage{nil}
	}
	var all []json.RawMessage
	for _, body := range op.bodies {
		all = append(all, r.fit(body))
	}
	return all
}

// fit replaces the ids and the version of an example by those of what exists.
func (r *run) fit(text string) json.RawMessage {
	for name, example := range exampleIDs {
		if id := r.id(name); id != "" {
			text = strings.ReplaceAll(text, example, id)
		}
	}
	for name, made := range r.made {
		if len(made) > 1 { // a second id in an example stands for something else
			text = regexp.MustCompile(prefix(name)+`[0-9a-z]{32}\b`).ReplaceAllStringFunc(text, func(id string) string {
				if slices.Contains(made, id) {
					return id
				}
				return made[1]
			})
		}
	}
	var fields map[string]json.RawMessage
	if r.version == "" || json.Unmarshal([]byte(text), &fields) != nil || fields["version"] == nil {
		return json.RawMessage(text)
	}
	fields["version"] = json.RawMessage(r.version)
	changed, _ := json.Marshal(fields) // it was JSON before
	return changed
}

// queries are queries with one of a read's parameters each, with the contract's example of it or, for what names
// something, with what exists.
func (r *run) queries(op target, response json.RawMessage) (all []url.Values) {
	var page struct {
		FirstID  string `json:"first_id"`
		LastID   string `json:"last_id"`
		NextPage string `json:"next_page"`
	}
	_ = json.Unmarshal(response, &page) // what is not a page has none of these
	existing := map[string]string{"after_id": page.FirstID, "before_id": page.LastID, "after": page.FirstID, "before": page.LastID, "page": page.NextPage, "version": r.version.String()}
	for name := range exampleIDs {
		existing[name] = r.id(name)
	}
	for _, q := range op.queries {
		values := q.values
		if value, ok := existing[q.name]; ok {
			values = []string{value}
		}
		if !slices.Equal(values, []string{""}) {
			all = append(all, url.Values{q.name: values})
		}
	}
	return all
}
