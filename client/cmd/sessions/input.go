package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// fileFlag is the flag of a request's document.
const fileFlag = "file"

// input creates a request from a document and flags; the flags win.
type input struct {
	a     *app
	cmd   *cobra.Command
	body  bool // the request is a body, which may come from a document
	patch bool // the request changes something: it must not be empty
	// record is the type of the response; a document may be one.
	record reflect.Type
	parts  []part
}

// part is a flag that sets a part of the request.
type part struct {
	flag string
	set  func(doc map[string]any) error
}

// field is a query parameter or a field of a body that a flag sets.
type field struct {
	param   string // the path of the field, as the contract's errors name it
	name    string // of the flag
	kind    fieldKind
	usage   string
	bounds  string   // in words
	allowed []string // the values, if there are a few
	// parse turns the text of a flag into a value or an entry; nil keeps it unchanged.
	parse func(text string) (any, error)
}

// fieldKind is how a flag is written.
type fieldKind int

const (
	textFlag    fieldKind = iota
	numberFlag            // a whole number
	booleanFlag           // true, or false with =false
	timeFlag              // a moment, a day, or how long ago
	wordsFlag             // given once for each entry, or with commas
	listFlag              // given once for each entry
	objectsFlag           // like listFlag, with parse; without it there is no flag
	pairsFlag             // KEY=VALUE, given once for each key
)

// newInput returns an input without flags of its own. A body has --file.
func (a *app) newInput(cmd *cobra.Command, body, patch bool) *input {
	if body {
		cmd.Flags().StringP(fileFlag, "f", "", "read the request from `FILE` as JSON or YAML, or from standard input if it is -; other flags override it")
		_ = cmd.MarkFlagFilename(fileFlag, "json", "yaml", "yml")
	}
	return &input{a: a, cmd: cmd, body: body, patch: patch}
}

// sets makes a flag set a part of the request, by the contract's name of it.
func (in *input) sets(flag, param string, set func(doc map[string]any) error) {
	_ = in.cmd.Flags().SetAnnotation(flag, paramAnnotation, []string{strings.TrimSuffix(param, "[]")})
	in.parts = append(in.parts, part{flag, set})
}

// add adds the flag of a field.
func (in *input) add(f field) {
	var value func() (any, error)
	flags, usage := in.cmd.Flags(), f.help()
	switch f.kind {
	case textFlag:
		v := flags.String(f.name, "", usage)
		value = func() (any, error) { return f.entry(*v) }
	case numberFlag:
		v := flags.Int64(f.name, 0, usage)
		value = func() (any, error) { return *v, nil }
	case booleanFlag:
		v := flags.Bool(f.name, false, usage)
		value = func() (any, error) { return *v, nil }
	case timeFlag:
		v := flags.String(f.name, "", usage)
		value = func() (any, error) { return in.a.instant(f.name, *v) }
	case wordsFlag:
		v := flags.StringSlice(f.name, nil, usage)
		value = func() (any, error) { return *v, nil }
	case listFlag, objectsFlag:
		v := flags.StringArray(f.name, nil, usage)
		value = func() (any, error) { return f.entries(*v) }
	case pairsFlag:
		in.addPairs(f)
		return
	}
	in.sets(f.name, f.param, func(doc map[string]any) error {
		v, err := value()
		if err != nil || v == "" && !in.body { // an empty parameter is one that was not given
			return err
		}
		return put(doc, v, strings.Split(f.param, ".")...)
	})
	if complete := in.a.suggest(f.name); complete != nil {
		_ = in.cmd.RegisterFlagCompletionFunc(f.name, complete)
	} else if len(f.allowed) > 0 {
		_ = in.cmd.RegisterFlagCompletionFunc(f.name, cobra.FixedCompletions(f.allowed, cobra.ShellCompDirectiveNoFileComp))
	}
}

// help is the help of the flag.
func (f field) help() string {
	text := f.usage
	switch f.kind {
	case timeFlag:
		text = strings.Replace(text, "this time", "`TIME`: 2026-05-18, 2026-05-18T15:26:15Z, or a duration before now such as 24h", 1)
	case wordsFlag, listFlag, objectsFlag, pairsFlag:
		text += "; repeatable"
	}
	if f.bounds != "" {
		text += " (" + f.bounds + ")"
	}
	return text
}

// entry is the value of a text.
func (f field) entry(text string) (any, error) {
	if f.parse == nil {
		return text, nil
	}
	return f.parse(text)
}

// entries are the values of texts.
func (f field) entries(texts []string) (any, error) {
	values := make([]any, len(texts))
	for i, text := range texts {
		var err error
		if values[i], err = f.entry(text); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// addPairs adds the flag that sets keys of an object and, for a patch, the one that removes them.
func (in *input) addPairs(f field) {
	set := in.cmd.Flags().StringArray(f.name, nil, f.help())
	in.sets(f.name, f.param, func(doc map[string]any) error {
		for _, pair := range *set {
			key, value, found := strings.Cut(pair, "=")
			if !found {
				return &fieldError{f.param, fmt.Sprintf("%q is not KEY=VALUE", pair)}
			}
			if err := put(doc, value, f.param, key); err != nil {
				return err
			}
		}
		return nil
	})
	if !in.patch {
		return
	}
	removal := "remove-" + f.name
	removed := in.cmd.Flags().StringArray(removal, nil, "remove a "+f.name+" `KEY`; repeatable")
	in.sets(removal, f.param, func(doc map[string]any) error {
		for _, key := range *removed {
			if err := put(doc, nil, f.param, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// instant reads a time: a moment, a day, or how long ago it was.
func (a *app) instant(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return new(a.now().Add(-ago)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return &at, nil
		}
	}
	return nil, usageError{fmt.Errorf("--%s: %q is not a time; use a duration before now such as 24h, a day such as 2026-05-18, or 2026-05-18T15:26:15Z", flag, text)}
}

// read returns the fields of the request, which is a t.
func (in *input) read(t reflect.Type) (map[string]any, error) {
	doc := map[string]any{}
	if file := in.cmd.Flags().Lookup(fileFlag); file != nil && file.Value.String() != "" {
		name := file.Value.String()
		if name == "-" && in.a.tokenFile == "-" {
			return nil, usageError{errors.New("--file and --token-file cannot both read standard input")}
		}
		var err error
		if doc, err = in.a.readDocument(in.cmd.Context(), name, t); err != nil {
			return nil, usageError{fmt.Errorf("--file: %w", err)}
		}
		in.drop(doc, t)
	}
	for _, p := range in.parts {
		if in.cmd.Flags().Changed(p.flag) {
			if err := p.set(doc); err != nil {
				return nil, err
			}
		}
	}
	if in.patch && len(doc) == 0 {
		return nil, usageError{fmt.Errorf("nothing to change: set a flag or --file; see '%s --help'", in.cmd.CommandPath())}
	}
	return doc, nil
}

// drop removes from a document what only records have, and says so.
func (in *input) drop(doc map[string]any, t reflect.Type) {
	if in.record == nil {
		return
	}
	if dropped := dropRecordFields(doc, t, in.record); len(dropped) > 0 {
		in.a.remark(fmt.Sprintf("Ignored in --file, because '%s' does not set them: %s.", in.cmd.CommandPath(), strings.Join(dropped, ", ")))
	}
}
