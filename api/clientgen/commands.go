package main

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// commands is what the command line shows of the contract.
type commands struct {
	DefaultLimit any   // the default size of a page
	LargestPage  int64 // the largest size of a page that every list allows
	Groups       []commandGroup
}

// commandGroup has the commands on the records of a service.
type commandGroup struct {
	*service
	Commands []command
}

// command is a method as a command. Its arguments are the path parameters.
type command struct {
	*method
	Flags []flag
}

// flag sets a query parameter or a field of the body.
type flag struct {
	Param   string // the path of the field: "config.setup_script"
	Name    string // "setup-script"
	Kind    string // the constant of the command line
	Usage   string
	Bounds  string
	Allowed []string
	Example string // a value, as a word of a shell; "" unless every request needs the flag
}

// commands collects the commands. A method by hand and a list without pages have none.
func (d *document) commands() *commands {
	c := &commands{}
	for _, s := range all(d.services) {
		group := commandGroup{service: s}
		for _, m := range s.Plain() {
			data := d.schema(m.result()).Properties.values["data"]
			if data != nil && d.schema(data).Type == "array" && m.All == "" {
				continue
			}
			group.Commands = append(group.Commands, command{m, d.flags(m)})
			for _, p := range m.in("query") {
				if limit := d.schema(p.Schema); p.Name == "limit" {
					c.DefaultLimit = limit.Default
					c.LargestPage = min(cmp.Or(c.LargestPage, *limit.Maximum), *limit.Maximum)
				}
			}
		}
		if len(group.Commands) > 0 {
			c.Groups = append(c.Groups, group)
		}
	}
	return c
}

// Use is the command with its arguments: "get SESSION RESOURCE".
func (c command) Use() string {
	return c.line(func(id argument) string { return strings.ToUpper(strings.TrimSuffix(id.Wire, "_id")) })
}

// Example is a command line with the flags that every request needs. The commands on sessions need no noun.
func (c command) Example() string {
	example := "sessions " + c.group() + c.line(func(id argument) string { return id.Example })
	for _, f := range c.Flags {
		if f.Example != "" {
			example += " --" + f.Name + " " + f.Example
		}
	}
	return example
}

// group is the words that lead to the commands of a service: those on sessions need none.
func (c command) group() string {
	switch c.Service.Name {
	case "Sessions":
		return ""
	case "MemoryStores":
		return "memory stores "
	case "MemoryStores.Memories":
		return "memory "
	case "MemoryStores.MemoryVersions":
		return "memory versions "
	}
	return strings.ToLower(c.Service.Field) + " "
}

// line is the verb and a word for each argument. What lists something within a record has its name: agents versions.
func (c command) line(word func(argument) string) string {
	_, verb, _ := c.collection()
	if list := strings.TrimPrefix(c.Name, exported(verb)); list != "" {
		verb = strings.ToLower(list)
	}
	words := []string{verb}
	for _, id := range c.IDs {
		words = append(words, word(id))
	}
	return strings.Join(words, " ")
}

// Short is the summary. A command shows what an operation gets.
func (c command) Short() string { return strings.Replace(c.Summary, "Get ", "Show ", 1) }

// Long is the description in the words of the command line: parameters are flags, and statuses are words.
func (c command) Long() string {
	words := []string{"Returns ", "Shows ", " Gated.", "", "a 409", "a conflict", "response is 409", "result is a conflict"}
	for _, f := range c.Flags {
		words = append(words, "`"+f.Param+"`", "--"+f.Name)
	}
	words = append(words, "`", "")
	text := strings.NewReplacer(words...).Replace(translation.ReplaceAllString(c.Description, ""))
	return commentPrefix.ReplaceAllString(comment("", text), "")
}

// commentPrefix begins a line of a comment.
var commentPrefix = regexp.MustCompile(`(?m)^// ?`)

// Done is what a command that deletes has done: "REMOVED", by its summary.
func (c command) Done() string {
	verb, _, _ := strings.Cut(c.Summary, " ")
	return strings.ToUpper(verb) + "D"
}

// Input is the type that the flags make: of the body, or of the query parameters.
func (c command) Input() string { return cmp.Or(c.Request, c.Params) }

// flags lists the flags of a method. The command follows pages by itself. Of a range of times there are the flags for its
// start, which belongs to it, and its end, which does not where the contract has such a bound.
func (d *document) flags(m *method) (flags []flag) {
	for _, p := range m.in("query") {
		name, bound, _ := strings.Cut(strings.TrimSuffix(p.Name, "]"), "[")
		switch {
		case p.Name == "limit", p.Name == "page", isCursorAlias(p), bound == "gt", bound == "lte" && m.has(name+"[lt]"):
			continue
		case bound == "lte":
			name = strings.TrimSuffix(name, "_at") + "_before"
		case bound == "gte":
			name = strings.TrimSuffix(name, "_at") + "_after"
		case bound == "lt":
			name = strings.TrimSuffix(name, "_at") + "_before"
		}
		f := d.flag(p.Name, name, p.Schema)
		f.Usage = usage(cmp.Or(p.Description, d.schema(p.Schema).Description))
		if f.Kind == "listFlag" {
			f.Kind = "wordsFlag"
			if d.schema(d.schema(p.Schema).Items).GoConstants != "" { // the types of the records
				f.Allowed = d.named(m.Result).Discriminator.Mapping.names
			}
		}
		flags = append(flags, f)
	}
	return append(flags, d.fieldFlags("", d.schema(m.body()))...)
}

// fieldFlags lists the flags of an object's fields, and of the objects within it. A field with one possible value has none.
func (d *document) fieldFlags(path string, object *schema) (flags []flag) {
	if object == nil {
		return nil
	}
	for name, s := range d.properties(object).all {
		inner := d.schema(s)
		param := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case len(d.properties(inner).names) > 0 && !d.isText(inner):
			flags = append(flags, d.fieldFlags(param, inner)...)
		case len(inner.Enum) != 1:
			f := d.flag(param, name, s)
			if path == "" && slices.Contains(object.Required, name) {
				f.Example = shellWord(inner.Example)
			}
			flags = append(flags, f)
		}
	}
	return flags
}

// properties are the fields of an object, or those of a union's objects, with the values that they have in any of them.
func (d *document) properties(s *schema) ordered[*schema] {
	if len(s.OneOf) == 0 {
		return s.Properties
	}
	merged := ordered[*schema]{values: map[string]*schema{}}
	for _, option := range s.OneOf {
		for name, field := range d.schema(option).Properties.all {
			if known := merged.values[name]; known == nil {
				merged.names = append(merged.names, name)
				merged.values[name] = field
			} else if field = d.schema(field); len(field.Enum) > 0 {
				both := *field
				both.Enum = slices.Concat(known.Enum, field.Enum)
				merged.values[name] = &both
			}
		}
	}
	return merged
}

// isText reports whether a string is a value of a schema.
func (d *document) isText(s *schema) bool {
	return s.Type == "string" || slices.ContainsFunc(s.OneOf, func(option *schema) bool { return d.isText(d.schema(option)) })
}

// flag is the flag of a parameter or a field.
func (d *document) flag(param, name string, s *schema) flag {
	s = d.schema(s)
	f := flag{Param: param, Name: flagName(name), Kind: "textFlag", Usage: usage(s.Description), Bounds: d.bounds(s), Allowed: s.Enum}
	switch {
	case s.Type == "integer":
		f.Kind = "numberFlag"
		if s.Maximum != nil && *s.Maximum == math.MaxInt32 {
			f.Bounds = "" // they are those of its type
		}
	case s.Type == "boolean":
		f.Kind, f.Bounds = "booleanFlag", ""
	case s.Format == "date-time":
		f.Kind = "timeFlag"
	case s.Type == "array":
		entry := d.schema(s.Items)
		f.Kind, f.Allowed = "listFlag", entry.Enum
		if !d.isText(entry) {
			f.Kind = "objectsFlag"
		}
		if len(entry.Enum) > 0 {
			f.Bounds = "" // each value once
		}
	case s.Type == "object":
		f.Kind = "pairsFlag"
	}
	return f
}

// shellWord writes a text or a whole number as a word of a shell, "" for another value.
func shellWord(value any) string {
	switch value := value.(type) {
	case int:
		return strconv.Itoa(value)
	case string:
		if plainWord.MatchString(value) {
			return value
		}
		return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return ""
}

// plainWord is a word that a shell takes as it is.
var plainWord = regexp.MustCompile(`^[\w./:@-]+$`)

// flagName is the name of a flag: "memory-store" for memory_store_ids, which is set once for each.
func flagName(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_ids"), "_id")
	return strings.ReplaceAll(name, "_", "-")
}

// translation is a text in parentheses that says a description again in Chinese.
var translation = regexp.MustCompile(` ?\([^)]*\p{Han}[^)]*\)`)

// usage is the first sentence of a description as the help of a flag.
func usage(description string) string {
	text := strings.Join(strings.Fields(translation.ReplaceAllString(description, "")), " ")
	text, _, _ = strings.Cut(text, ". ")
	text = strings.ReplaceAll(strings.TrimSuffix(text, "."), "`", "")
	if rest, ok := strings.CutPrefix(text, "Returns "); ok {
		return "list " + rest
	}
	if strings.ToUpper(text[:min(2, len(text))]) == text[:min(2, len(text))] { // an initialism
		return text
	}
	return unexported(text)
}
