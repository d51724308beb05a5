package contractcheck

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract"
)

// place is where an operation is tried.
type place struct {
	ids     map[string]string // of path parameters
	unknown bool              // there is nothing
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

// places returns where an operation is tried: a read on something that is there and on something that is not, what
// ends things on all that was made, any other on one of it. It is false when there is nothing to change.
func (r *run) places(op *contract.Operation) ([]place, bool) {
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
				unknown.ids[name] = prefix(r.exampleID(name)) + "0"
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
	var all []place
	for _, id := range r.made[last] {
		one := place{ids: maps.Clone(known.ids)}
		one.ids[last] = id
		all = append(all, one)
	}
	return all, true
}

// id is what a path parameter is tried with: something of the run's own if there is, "" for nothing.
func (r *run) id(name string) string {
	if made := r.made[name]; len(made) > 0 {
		return made[0]
	}
	return r.seen[name]
}

// exampleID is the contract's example of a path parameter.
func (r *run) exampleID(name string) string {
	for _, ref := range r.doc.Components.Parameters {
		if p := ref.Value; p.In == openapi3.ParameterInPath && p.Name == name {
			example, _ := p.Example.(string)
			return example
		}
	}
	return ""
}

// prefix is the beginning of an id, up to the underscore.
func prefix(id string) string { return id[:strings.IndexByte(id, '_')+1] }

// learn takes the ids out of a success: of what was made, of what is there, and of what is no more.
func (r *run) learn(op *contract.Operation, at place, answer json.RawMessage) {
	type record struct {
		ID      string      `json:"id"`
		Version json.Number `json:"version"`
	}
	var got struct {
		record
		Data []record `json:"data"`
	}
	if answer == nil || json.Unmarshal(answer, &got) != nil {
		return
	}
	if op.Method == http.MethodDelete {
		names := pathParameters(op.Path)
		last := names[len(names)-1]
		r.made[last] = slices.DeleteFunc(slices.Clone(r.made[last]), func(id string) bool { return id == at.ids[last] })
		return
	}
	if name := r.holds(op); name != "" {
		for _, rec := range append(got.Data, got.record) {
			switch {
			case !strings.HasPrefix(rec.ID, prefix(r.exampleID(name))) || slices.Contains(r.made[name], rec.ID):
			case op.Method == http.MethodPost:
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

// holds returns the path parameter of what an operation's collection holds; "" when it is none.
func (r *run) holds(op *contract.Operation) string {
	for other := range r.contract.Operations() {
		if name, ok := strings.CutPrefix(other.Path, op.Path+"/{"); ok && strings.HasSuffix(name, "}") && !strings.Contains(name, "/") {
			return strings.TrimSuffix(name, "}")
		}
	}
	return ""
}

// operation is an operation as the document has it.
func (r *run) operation(op *contract.Operation) *openapi3.Operation {
	return r.doc.Paths.Value(op.Path).GetOperation(op.Method)
}

// bodies are the contract's examples of an operation's body, by name, made to fit; nil alone where it has none.
func (r *run) bodies(op *contract.Operation) []json.RawMessage {
	if !op.TakesBody() {
		return []json.RawMessage{nil}
	}
	examples := r.operation(op).RequestBody.Value.Content["application/json"].Examples
	var all []json.RawMessage
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		text, _ := json.Marshal(examples[name].Value.Value) // it was read from YAML: maps, lists, scalars
		all = append(all, r.fit(text))
	}
	return all
}

// fit puts what is there in the place of what the contract's examples name.
func (r *run) fit(body json.RawMessage) json.RawMessage {
	text := string(body)
	for _, name := range []string{"agent_id", "environment_id"} {
		if id := r.id(name); id != "" {
			text = strings.ReplaceAll(text, r.exampleID(name), id)
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
// something, with what is there.
func (r *run) queries(op *contract.Operation, answer json.RawMessage) []url.Values {
	var page struct {
		FirstID  any    `json:"first_id"`
		LastID   any    `json:"last_id"`
		NextPage string `json:"next_page"`
	}
	_ = json.Unmarshal(answer, &page) // what is no page has none of these
	var all []url.Values
	for _, ref := range r.operation(op).Parameters {
		p := ref.Value
		if p.In != openapi3.ParameterInQuery {
			continue
		}
		value := p.Example
		switch p.Name {
		case "after_id":
			value = page.FirstID
		case "before_id":
			value = page.LastID
		case "page":
			value = page.NextPage
		case "version":
			value = r.version
		case "agent_id":
			value = r.id(p.Name)
		}
		query := url.Values{}
		list, many := value.([]any)
		if !many {
			list = []any{value}
		}
		for _, v := range list {
			if text := fmt.Sprint(v); v != nil && text != "" {
				query.Add(p.Name, text)
			}
		}
		if len(query) > 0 {
			all = append(all, query)
		}
	}
	return all
}
