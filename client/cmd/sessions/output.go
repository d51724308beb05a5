package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The forms of output.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatLines = "jsonl"
	formatYAML  = "yaml"
	formatID    = "id"
)

// formats lists the forms of output.
func formats() []string {
	return []string{formatTable, formatJSON, formatLines, formatYAML, formatID}
}

// choice is a flag that takes one of a few words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

// formType names the value of a choice in the help.
const formType = "FORM"

// Type returns formType.
func (c *choice) Type() string { return formType }

// Set takes an allowed word.
func (c *choice) Set(value string) error {
	if !slices.Contains(c.allowed, value) {
		return fmt.Errorf("it must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = value
	return nil
}

// form is the form of output that was asked for, or the one that fits where it goes.
func (a *app) form() string {
	switch {
	case a.format.value != "":
		return a.format.value
	case a.out.terminal:
		return formatTable
	}
	return formatJSON
}

// view says how records of a type are shown to people.
type view[T any] struct {
	id      func(*T) string
	columns []column[T]
}

// column is one thing to show of a record.
type column[T any] struct {
	name string
	// text or at is what the column shows: a text, or a time, nil for none.
	text func(*T) string
	at   func(*T) *time.Time
	// log reports whether at is a time of a log, which is shown as the time of day.
	log bool
	// detail is shown of a single record only.
	detail bool
	// width is the least that the column takes in a table whose rows come one by one.
	width int
	// whole reports whether the column is never cut; ids and times are not.
	whole bool
	// least is how narrow the column may become before others are left out; 0 means leastWidth.
	least int
	// drop orders the columns that a narrow terminal leaves out: the highest first, then the rightmost.
	drop int
	// style colours a text; nil for none.
	style func(text string) string
}

// value is what the column shows of a record; when writes a time.
func (c column[T]) value(record *T, when func(*time.Time) string) string {
	if c.at != nil {
		return when(c.at(record))
	}
	return c.text(record)
}

// heading is the column's place in a table.
func (c column[T]) heading() heading {
	h := heading{name: c.name, width: c.width, least: cmp.Or(c.least, leastWidth), drop: c.drop}
	h.whole = c.whole || c.at != nil || strings.HasSuffix(c.name, "ID")
	return h
}

// show writes one record.
func show[T any](a *app, v view[T], record *T) error {
	var out []byte
	var err error
	switch a.form() {
	case formatTable:
		return a.out.writeStyled(v.sheet(record, a.whenOfSheet)...)
	case formatJSON:
		out, err = encodeJSON(record, "", "  ")
		out = append(out, '\n')
	case formatLines:
		out, err = encodeJSON(record, "", "")
		out = append(out, '\n')
	case formatYAML:
		out, err = encodeYAML(record)
	case formatID:
		out = fmt.Appendln(nil, v.id(record))
	}
	if err != nil {
		return err
	}
	return a.out.writeExact(out)
}

// listing writes records as they come, in one document that end completes. JSON that was not completed
// cannot be read, so that whoever reads it notices an error.
type listing[T any] struct {
	a      *app
	view   view[T]
	table  *table
	begun  bool
	buffer bytes.Buffer
}

// page writes some records.
func (l *listing[T]) page(records []T) error {
	form := l.a.form()
	if form == formatTable {
		return l.rows(records)
	}
	for i := range records {
		if err := l.add(form, &records[i]); err != nil {
			return err
		}
	}
	defer l.buffer.Reset()
	return l.a.out.writeExact(l.buffer.Bytes())
}

func (l *listing[T]) add(form string, record *T) error {
	var out []byte
	var err error
	switch form {
	case formatJSON:
		l.buffer.WriteString(map[bool]string{false: "[\n  ", true: ",\n  "}[l.begun])
		out, err = encodeJSON(record, "  ", "  ")
	case formatLines:
		out, err = encodeJSON(record, "", "")
		out = append(out, '\n')
	case formatYAML:
		out, err = encodeYAML([]*T{record})
	case formatID:
		out = fmt.Appendln(nil, l.view.id(record))
	}
	l.begun = true
	l.buffer.Write(out)
	return err
}

func (l *listing[T]) rows(records []T) error {
	var headings []heading
	rows := make([][]styledText, len(records))
	for _, c := range l.view.columns {
		if c.detail {
			continue
		}
		headings = append(headings, c.heading())
		when := l.a.whenOfTable(c.log)
		for i := range records {
			rows[i] = append(rows[i], newCell(c.value(&records[i], when), c.style))
		}
	}
	if l.table == nil {
		l.table = &table{out: l.a.out, headings: headings}
	}
	return l.table.write(rows)
}

// end completes the document.
func (l *listing[T]) end() error {
	var err error
	switch form := l.a.form(); {
	case form == formatJSON && l.begun:
		_, err = fmt.Fprint(l.a.out, "\n]\n")
	case form == formatJSON, form == formatYAML && !l.begun:
		_, err = fmt.Fprintln(l.a.out, "[]")
	}
	return err
}

// showAll writes records that are all there.
func showAll[T any](a *app, v view[T], records []T) error {
	out := &listing[T]{a: a, view: v}
	if err := out.page(records); err != nil {
		return err
	}
	return out.end()
}

// encodeJSON writes JSON without a line break at its end; indent "" puts it on one line.
func encodeJSON(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, indent)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encodeYAML writes what v is in JSON as YAML, in the same order.
func encodeYAML(v any) ([]byte, error) {
	data, err := encodeJSON(v, "", "")
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	node, err := yamlNode(decoder)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err = encoder.Encode(node)
	return b.Bytes(), err
}

// yamlNode reads one JSON value.
func yamlNode(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return yamlScalar(token), nil
	}
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if open == '{' {
		node.Kind = yaml.MappingNode
	}
	for decoder.More() {
		inner, err := yamlNode(decoder)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, inner)
	}
	_, err = decoder.Token()
	return node, err
}

func yamlScalar(token json.Token) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode}
	switch v := token.(type) {
	case string:
		node.SetString(v)
		if strings.ContainsFunc(v, acts) {
			node.Style = yaml.DoubleQuotedStyle // the only style that has escapes
		}
	case json.Number:
		node.Tag, node.Value = "!!float", v.String()
		if !strings.ContainsAny(node.Value, ".eE") {
			node.Tag = "!!int"
		}
	case bool:
		node.Tag, node.Value = "!!bool", fmt.Sprint(v)
	case nil:
		node.Tag, node.Value = "!!null", "null"
	}
	return node
}
