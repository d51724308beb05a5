package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// put sets doc's field at a path, and creates the objects on the way.
func put(doc map[string]any, value any, path ...string) error {
	for i, key := range path[:len(path)-1] {
		inner, ok := doc[key].(map[string]any)
		if !ok {
			if doc[key] != nil {
				return &fieldError{strings.Join(path[:i+1], "."), key + " is not an object"}
			}
			inner = map[string]any{}
			doc[key] = inner
		}
		doc = inner
	}
	doc[path[len(path)-1]] = value
	return nil
}

// decode turns fields into a request.
func decode[T any](cmd *cobra.Command, doc map[string]any) (*T, error) {
	if err := required[T](cmd, doc); err != nil {
		return nil, err
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, usageError{err}
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var req *T
	err = decoder.Decode(&req)
	if err == nil {
		return req, nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return nil, usageError{fmt.Errorf("--file: unknown field %s%s; see '%s --help'", name, suggestField[T](name), cmd.CommandPath())}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		param := wrong.Field + culprit(doc[wrong.Field], wrong.Type)
		return nil, &fieldError{param, fmt.Sprintf("%s must be %s, not %s", param, kindName(wrong.Type), valueName(wrong.Value))}
	}
	return nil, usageError{fmt.Errorf("the request is malformed: %w", err)}
}

// suggestField names the fields of a T whose names are similar to a quoted one.
func suggestField[T any](quoted string) string {
	near := similar(strings.Trim(quoted, `"`), maps.Keys(fieldTypes(reflect.TypeFor[T]())))
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ")
}

// required returns an error unless the fields that every T has are set.
func required[T any](cmd *cobra.Command, doc map[string]any) error {
	var missing, hints []string
	for field := range reflect.TypeFor[T]().Fields() {
		name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, given := doc[name]; given || strings.Contains(rest, "omit") {
			continue
		}
		missing = append(missing, name)
		flags := flagsFor(cmd, name)
		if len(flags) == 0 {
			flags = flagsFor(cmd, name+".type") // the kind of an object is what it needs
		}
		for _, flag := range flags {
			hints = append(hints, "--"+flag.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	verb := " is"
	if len(missing) > 1 {
		verb = " are"
	}
	text := strings.Join(missing, " and ") + verb + " missing; give "
	if len(hints) > 0 {
		text += strings.Join(hints, " and ") + ", or "
	}
	return usageError{errors.New(text + "--file")}
}

// culprit names the key of an object of strings that holds something else, as ".key".
func culprit(value any, want reflect.Type) string {
	object, _ := value.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if _, fits := object[key].(string); !fits && want.Kind() == reflect.String {
			return "." + key
		}
	}
	return ""
}

// valueName is what a person calls what encoding/json calls a value.
func valueName(value string) string {
	switch value {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	case "string", "number":
		return "a " + value
	}
	return strings.TrimPrefix(value, "number ")
}

// kindName is what JSON calls a Go type.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number within its bounds"
}
