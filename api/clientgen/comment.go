package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// width is the length of the lines of generated comments.
const width = 118

// comment writes a text as a comment: it is wrapped, and a blank line separates its paragraphs. A line that begins with
// "- " is an entry of a list.
func comment(indent string, text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(indent + "//\n")
		}
		for _, block := range strings.Split(strings.ReplaceAll(paragraph, "\n- ", "\x00- "), "\x00") {
			first, rest := indent+"//", indent+"//"
			if strings.HasPrefix(block, "- ") {
				first, rest = indent+"//  ", indent+"//    "
			}
			line := first
			for _, word := range strings.Fields(block) {
				if len(line)+1+len(word) > width {
					b.WriteString(line + "\n")
					line = rest
				}
				line += " " + word
			}
			b.WriteString(line + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// named begins a description with the name of what it describes: "AgentID: Identifier of an agent."
func named(name, description string) string { return name + ": " + strings.TrimSpace(description) }

// does begins the description of an operation with the name of its method: "Archive archives the session …".
func does(name, description string) string {
	return name + " " + unexported(strings.TrimSpace(description))
}

// list joins words: "A, B or C".
func list(words []string, conjunction string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// links makes links to identifiers.
func links(names []string) (links []string) {
	for _, name := range names {
		links = append(links, "["+name+"]")
	}
	return links
}

// paramsDoc describes the parameters of a method.
func (d *document) paramsDoc(m *method) string {
	doc := fmt.Sprintf("%s are the parameters of [%s].", m.Params, m.Link())
	if m.All != "" {
		doc += " At most one of Page, AfterID and BeforeID may be set."
	}
	entries := ""
	for _, p := range m.in("query") {
		if bounds := d.bounds(p.Schema); bounds != "" {
			entries += "\n- " + p.field() + ": " + bounds
		}
	}
	return doc + paragraph(entries)
}

// boundsDoc lists the bounds of an object's fields.
func (d *document) boundsDoc(s *schema) string {
	entries := ""
	for name, p := range s.Properties.all {
		if bounds := d.bounds(p); bounds != "" {
			entries += "\n- " + cmp.Or(p.GoName, camel(name)) + ": " + bounds
		}
	}
	return paragraph(entries)
}

func paragraph(text string) string {
	if text == "" {
		return ""
	}
	return "\n\n" + strings.TrimPrefix(text, "\n")
}

// bounds says in words what a schema allows; "" for what its type alone says.
func (d *document) bounds(s *schema) string {
	s = d.schema(s)
	var parts []string
	switch {
	case s.MaxLength != nil && (s.Format == "" || s.Format == "password"):
		parts = append(parts, between(s.MinLength, *s.MaxLength, "characters"))
	case s.MaxItems != nil:
		parts = append(parts, between(s.MinItems, *s.MaxItems, "entries"))
	case s.MaxProperties != nil:
		parts = append(parts, between(0, *s.MaxProperties, "keys"))
	case s.Minimum != nil && s.Maximum != nil:
		parts = append(parts, fmt.Sprintf("%d to %d", *s.Minimum, *s.Maximum))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("%v by default", s.Default))
	}
	return strings.Join(parts, ", ")
}

func between(least, most int, what string) string {
	if least == 0 {
		return fmt.Sprintf("at most %d %s", most, what)
	}
	return fmt.Sprintf("%d to %d %s", least, most, what)
}

// Errors lists the errors that an operation documents, those that every operation has aside.
func (o *operation) Errors() (errors []string) {
	for _, e := range []struct{ status, name string }{
		{"400", "ErrInvalidRequest"}, {"404", "ErrNotFound"}, {"409", "ErrConflict"}, {"429", "ErrRateLimit"}, {"501", "ErrFeatureNotAvailable"},
	} {
		if slices.Contains(o.Responses.names, e.status) {
			errors = append(errors, "["+e.name+"]")
		}
	}
	return errors
}

// Doc describes a method.
func (m *method) Doc() string {
	doc := does(m.Name, m.Description)
	if m.All != "" {
		doc += " A nil params asks for the first page."
	}
	if errors := m.Errors(); len(errors) > 0 {
		doc += "\n\nIts errors include " + list(errors, "and") + "."
	}
	return doc + fmt.Sprintf("\n\nOperation %s: %s %s.", m.ID, m.Method, m.Path)
}

// AllDoc describes the method that yields all pages' records.
func (m *method) AllDoc() string {
	return fmt.Sprintf(`%s yields the records that [%s] returns for params and, page by page as the loop continues, those that
		follow; params.Limit is the size of a page. An error is yielded once, at the end. Ranging again starts anew. Changing
		params afterwards has no effect.`, m.All, m.Link())
}
