package api

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// The parts of the document in a stable order, each with the place that a finding names.

// operations yields "POST /sessions" and its operation.
func operations(doc object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		for path, item := range sorted(child(doc, "paths")) {
			for _, method := range methods {
				if op := child(item.(object), method); op != nil && !yield(strings.ToUpper(method)+" "+path, op) {
					return
				}
			}
		}
	}
}

// parameters yields every parameter that is written out, not the references to them.
func parameters(doc object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		for at, o := range written("#/components/parameters", child(child(doc, "components"), "parameters")) {
			if !yield(at, o) {
				return
			}
		}
		lists := map[string][]any{}
		for path, item := range sorted(child(doc, "paths")) {
			lists[path] = list(item.(object), "parameters")
		}
		for at, op := range operations(doc) {
			lists[at] = list(op, "parameters")
		}
		for _, at := range slices.Sorted(maps.Keys(lists)) {
			for i, p := range lists[at] {
				if o := p.(object); o["$ref"] == nil && !yield(fmt.Sprintf("%s parameters/%d", at, i), o) {
					return
				}
			}
		}
	}
}

// responses yields every response that is written out.
func responses(doc object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		for at, o := range written("#/components/responses", child(child(doc, "components"), "responses")) {
			if !yield(at, o) {
				return
			}
		}
		for at, op := range operations(doc) {
			for where, o := range written(at+" responses", child(op, "responses")) {
				if !yield(where, o) {
					return
				}
			}
		}
	}
}

// headers yields every response header that is written out.
func headers(doc object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		for at, o := range written("#/components/headers", child(child(doc, "components"), "headers")) {
			if !yield(at, o) {
				return
			}
		}
		for at, response := range responses(doc) {
			for where, o := range written(at+"/headers", child(response, "headers")) {
				if !yield(where, o) {
					return
				}
			}
		}
	}
}

// contents yields every media type of a request body or a response.
func contents(doc object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		for at, op := range operations(doc) {
			for where, o := range written(at+" requestBody", child(child(op, "requestBody"), "content")) {
				if !yield(where, o) {
					return
				}
			}
		}
		for at, response := range responses(doc) {
			for where, o := range written(at, child(response, "content")) {
				if !yield(where, o) {
					return
				}
			}
		}
	}
}

// schemas yields every schema that is written out, including nested ones. The schema of a map's keys
// (x-property-names) is yielded as one of strings.
func schemas(doc object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		var visit func(at string, value any) bool
		visit = func(at string, value any) bool {
			s, ok := value.(object)
			if !ok || s["$ref"] != nil {
				return true
			}
			if strings.HasSuffix(at, "/x-property-names") {
				s = maps.Clone(s)
				s["type"] = "string"
			}
			if !yield(at, s) {
				return false
			}
			for name, property := range sorted(child(s, "properties")) {
				if !visit(at+"/properties/"+name, property) {
					return false
				}
			}
			for _, key := range []string{"items", "additionalProperties", "x-property-names"} {
				if !visit(at+"/"+key, s[key]) {
					return false
				}
			}
			for i, variant := range list(s, "oneOf") {
				if !visit(fmt.Sprintf("%s/oneOf/%d", at, i), variant) {
					return false
				}
			}
			return true
		}
		for name, s := range sorted(child(child(doc, "components"), "schemas")) {
			if !visit("#/components/schemas/"+name, s) {
				return
			}
		}
		for _, group := range []iter.Seq2[string, object]{parameters(doc), headers(doc), contents(doc)} {
			for at, o := range group {
				if !visit(at+"/schema", o["schema"]) {
					return
				}
			}
		}
	}
}

// written yields the members that are objects and not references.
func written(at string, group object) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		for name, value := range sorted(group) {
			if o, ok := value.(object); ok && o["$ref"] == nil && !yield(at+"/"+name, o) {
				return
			}
		}
	}
}

// resolve follows a reference within the document; nil when it leads nowhere.
func resolve(doc object, value any) object {
	o, _ := value.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	target := doc
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		target = child(target, step)
	}
	return target
}

func child(o object, key string) object {
	c, _ := o[key].(object)
	return c
}

func list(o object, key string) []any {
	l, _ := o[key].([]any)
	return l
}

func text(o object, key string) string {
	s, _ := o[key].(string)
	return s
}

func sorted(o object) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, key := range slices.Sorted(maps.Keys(o)) {
			if !yield(key, o[key]) {
				return
			}
		}
	}
}
