package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// fileFlag is the flag of a request's document.
const fileFlag = "file"

// body creates a request from a document and flags; the flags win.
type body struct {
	a     *app
	cmd   *cobra.Command
	patch bool // the request changes something: it must not be empty
	parts []part
}

// part is a flag that sets a part of the request.
type part struct {
	flag string
	set  func(doc map[string]any) error
}

// newBody adds --file to cmd, which changes a record if patch is set and creates one otherwise.
func (a *app) newBody(cmd *cobra.Command, patch bool) *body {
	cmd.Flags().StringP(fileFlag, "f", "", "read the request from `FILE` as JSON or YAML, or from standard input if it is -; other flags override it")
	_ = cmd.MarkFlagFilename(fileFlag, "json", "yaml", "yml")
	return &body{a: a, cmd: cmd, patch: patch}
}

// sets makes a flag set a part of the request, by the contract's name of it.
func (b *body) sets(flag, param string, set func(doc map[string]any) error) {
	_ = b.cmd.Flags().SetAnnotation(flag, paramAnnotation, []string{param})
	b.parts = append(b.parts, part{flag, set})
}

// text adds a flag that sets a string.
func (b *body) text(flag, param, usage string) {
	v := b.cmd.Flags().String(flag, "", usage)
	b.sets(flag, param, func(doc map[string]any) error { return put(doc, *v, strings.Split(param, ".")...) })
}

// number adds a flag that sets an integer.
func (b *body) number(flag, param, usage string) {
	v := b.cmd.Flags().Int64(flag, 0, usage)
	b.sets(flag, param, func(doc map[string]any) error { return put(doc, *v, strings.Split(param, ".")...) })
}

// boolean adds a flag that sets true, or false with =false.
func (b *body) boolean(flag, param, usage string) {
	v := b.cmd.Flags().Bool(flag, false, usage)
	b.sets(flag, param, func(doc map[string]any) error { return put(doc, *v, strings.Split(param, ".")...) })
}

// list adds a flag, to be given once for each entry, that sets a list; each converts a value to an entry, and
// nil keeps it unchanged.
func (b *body) list(flag, param, usage string, each func(string) any) {
	v := b.cmd.Flags().StringArray(flag, nil, usage)
	b.sets(flag, param, func(doc map[string]any) error {
		entries := make([]any, len(*v))
		for i, text := range *v {
			entries[i] = text
			if each != nil {
				entries[i] = each(text)
			}
		}
		return put(doc, entries, strings.Split(param, ".")...)
	})
}

// pairs adds a flag, to be given once for each entry, that sets keys of an object.
func (b *body) pairs(flag, param, usage string) {
	v := b.cmd.Flags().StringArray(flag, nil, usage)
	b.sets(flag, param, func(doc map[string]any) error {
		for _, pair := range *v {
			key, value, found := strings.Cut(pair, "=")
			if !found {
				return &fieldError{param, fmt.Sprintf("%q is not KEY=VALUE", pair)}
			}
			if err := put(doc, value, param, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// metadata adds the flags that set and, for a patch, remove metadata.
func (b *body) metadata() {
	b.pairs("metadata", "metadata", "set a metadata key, `KEY=VALUE`; repeatable")
	if !b.patch {
		return
	}
	v := b.cmd.Flags().StringArray("remove-metadata", nil, "remove a metadata `KEY`; repeatable")
	b.sets("remove-metadata", "metadata", func(doc map[string]any) error {
		for _, key := range *v {
			if err := put(doc, nil, "metadata", key); err != nil {
				return err
			}
		}
		return nil
	})
}

// read returns the fields of the request, which is a t.
func (b *body) read(t reflect.Type) (map[string]any, error) {
	doc := map[string]any{}
	if name := b.cmd.Flags().Lookup(fileFlag).Value.String(); name != "" {
		if name == "-" && b.a.tokenFile == "-" {
			return nil, usageError{errors.New("--file and --token-file cannot both read standard input")}
		}
		var err error
		if doc, err = b.a.readDocument(b.cmd.Context(), name, t); err != nil {
			return nil, usageError{fmt.Errorf("--file: %w", err)}
		}
	}
	for _, p := range b.parts {
		if b.cmd.Flags().Changed(p.flag) {
			if err := p.set(doc); err != nil {
				return nil, err
			}
		}
	}
	if b.patch && len(doc) == 0 {
		return nil, usageError{fmt.Errorf("nothing to change: set a flag or --file; see '%s --help'", b.cmd.CommandPath())}
	}
	return doc, nil
}

// sends makes b's command send its request and show the response. fill, if not nil, adds to the fields what
// the server knows; id is "" for a command that creates a record.
func sends[Req, T any](
	b *body, v view[T],
	fill func(ctx context.Context, c *client.Client, id string, doc map[string]any) error,
	send func(ctx context.Context, c *client.Client, id string, req *Req, opts ...client.Option) (*T, error),
) *cobra.Command {
	b.cmd.RunE = func(cmd *cobra.Command, args []string) error {
		doc, err := b.read(reflect.TypeFor[Req]())
		if err != nil {
			return err
		}
		id := strings.Join(args, "")
		return perform(b.a, cmd, v, func(ctx context.Context, c *client.Client, opts ...client.Option) (*T, error) {
			if fill != nil {
				if err := fill(ctx, c, id, doc); err != nil {
					return nil, err
				}
			}
			req, err := decode[Req](cmd, doc)
			if err != nil {
				return nil, err
			}
			return send(ctx, c, id, req, opts...)
		})
	}
	return b.cmd
}

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
		return nil, usageError{fmt.Errorf("--file: unknown field %s; see '%s --help'", name, cmd.CommandPath())}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		param := wrong.Field + culprit(doc[wrong.Field], wrong.Type)
		return nil, &fieldError{param, fmt.Sprintf("%s must be %s, not %s", param, kindName(wrong.Type), valueName(wrong.Value))}
	}
	return nil, usageError{fmt.Errorf("the request is malformed: %w", err)}
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
		for _, flag := range flagsFor(cmd, name) {
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
