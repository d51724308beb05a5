package contractcheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// place is where an operation is tried.
type place struct {
	ids map[string]string // of path parameters
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

// places returns where an operation succeeds: a read on something that exists, an archive or a deletion on everything that was
// created, any other operation on one of it; none when nothing exists.
func (r *run) places(op target) (places []place) {
	names := pathParameters(op.Path)
	if len(names) == 0 {
		return []place{{}}
	}
	known, last := place{ids: map[string]string{}}, names[len(names)-1]
	for _, name := range names {
		known.ids[name] = r.id(name)
		if known.ids[name] == "" || op.Method != http.MethodGet && len(r.made[name]) == 0 {
			return nil
		}
	}
	if op.Method != http.MethodDelete && !strings.HasSuffix(op.Path, "/archive") {
		return []place{known}
	}
	for _, id := range r.made[last] {
		places = append(places, known.with(last, id))
	}
	return places
}

// with returns the place with another id.
func (p place) with(name, id string) place {
	ids := maps.Clone(p.ids)
	ids[name] = id
	return place{ids: ids}
}

// unknown returns places where one of an operation's path parameters names nothing, for each of them.
func (r *run) unknown(op target) (places []place, names []string) {
	names = pathParameters(op.Path)
	known := place{ids: map[string]string{}}
	for _, name := range names {
		if known.ids[name] = r.id(name); known.ids[name] == "" {
			known.ids[name] = unknownID(name)
		}
	}
	for _, name := range names {
		places = append(places, known.with(name, unknownID(name)))
	}
	return places, names
}

// unknownID returns an id that is well-formed and names nothing.
func unknownID(name string) string { return prefix(name) + "0" }

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
func (r *run) learn(op target, at place, response []byte) {
	type record struct {
		ID      string      `json:"id"`
		Version json.Number `json:"version"`
		Hash    string      `json:"content_sha256"`
	}
	var got struct {
		record
		Data []record `json:"data"`
	}
	_ = json.Unmarshal(response, &got) // what else it is has no ids
	names := pathParameters(op.Path)
	if op.Method == http.MethodDelete || strings.HasSuffix(op.Path, "/redact") { // which can be done once
		last := names[len(names)-1]
		r.made[last] = slices.DeleteFunc(slices.Clone(r.made[last]), func(id string) bool { return id == at.ids[last] })
		return
	}
	if name := op.holds; name != "" {
		got.ID = createdID(response)
		for _, rec := range append(got.Data, got.record) {
			switch {
			case rec.ID == "" || r.isKnown(rec.ID) || strings.HasSuffix(op.Path, "/redact"):
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
	if got.Hash != "" && got.ID == r.id("memory_id") {
		r.hash = got.Hash
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

// body is the body of a request; data is nil for none.
type body struct {
	data  []byte
	media string
}

// bodiesOf are the contract's examples of an operation's body, changed to fit what exists; one without data where it has none.
func (r *run) bodiesOf(op target) []body {
	switch {
	case op.TakesForm(): // examples with several files need as many
		return []body{form(fileContent), form(fileContent)}
	case len(op.bodies) == 0:
		return []body{{}}
	}
	var all []body
	for _, text := range op.bodies {
		all = append(all, body{r.fit(text), "application/json"})
	}
	return all
}

// fileContent is the content of the files that are uploaded: bytes that programs change which take them for text.
const fileContent = "# Plan\r\n\x00\xff\xc3\x28 e\u0301 \u00e9\n"

// form returns a form with a file.
func form(content string) body {
	var data bytes.Buffer
	w := multipart.NewWriter(&data)
	_ = w.SetBoundary("contractcheck0000000000000000000000") // the same bytes each time, for idempotency keys
	file, _ := w.CreateFormFile("file", "plan.md")
	_, _ = io.WriteString(file, content) // a buffer takes everything
	_ = w.Close()
	return body{data.Bytes(), w.FormDataContentType()}
}

// fit replaces the ids of an example, and the state that a change is based on, by those of what exists.
func (r *run) fit(text string) []byte {
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
	if json.Unmarshal([]byte(text), &fields) != nil {
		return []byte(text)
	}
	for name, now := range map[string]string{"version": r.version.String(), "content_sha256": strconv.Quote(r.hash)} {
		if fields[name] != nil && strings.Trim(now, `"`) != "" {
			fields[name] = json.RawMessage(now)
		}
	}
	changed, _ := json.Marshal(fields) // it was JSON before
	return changed
}

// queriesOf are queries with one of a read's parameters each, with the contract's example of it or, for what names
// something, with what exists.
func (r *run) queriesOf(op target, response []byte) (all []url.Values) {
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
