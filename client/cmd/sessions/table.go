package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/cloud-sessions/sessions/client"
)

// widest is how many columns of a terminal a text may take in a table.
const widest = 40

// gap is how many columns part two texts.
const gap = 2

// newCell returns one text of a table; style may be nil.
func newCell(text string, style func(string) string) styledText {
	c := styledText{text: oneLine(text)}
	if style != nil {
		c.style = style(text)
	}
	return c
}

// table writes rows in columns, some at a time: a later row may be wider than those that are written.
type table struct {
	out    stream
	header []string // nil once it is written
	widths []int
}

// write writes rows, and the header before the first.
func (t *table) write(rows [][]styledText) error {
	if t.header != nil {
		head := make([]styledText, len(t.header))
		for i, name := range t.header {
			head[i] = styledText{bold, name}
		}
		rows = append([][]styledText{head}, rows...)
		t.header = nil
	}
	for _, row := range rows {
		for i := range row {
			row[i].text = t.fit(row[i].text, i)
			t.widths[i] = max(t.widths[i], runewidth.StringWidth(row[i].text))
		}
	}
	var texts []styledText
	for _, row := range rows {
		for len(row) > 1 && row[len(row)-1].text == "" { // no line ends in spaces
			row = row[:len(row)-1]
		}
		for i, c := range row {
			padding := "\n"
			if i < len(row)-1 {
				padding = strings.Repeat(" ", t.widths[i]-runewidth.StringWidth(c.text)+gap)
			}
			texts = append(texts, c, styledText{text: padding})
		}
	}
	return t.out.writeStyled(texts...)
}

// fit cuts a text for the i-th column of a terminal; the last one gets what is left of the line.
func (t *table) fit(text string, i int) string {
	if !t.out.terminal {
		return text
	}
	most := widest
	if i == len(t.widths)-1 {
		left := t.out.width
		for _, w := range t.widths[:i] {
			left -= w + gap
		}
		most = max(most, left)
	}
	return runewidth.Truncate(text, most, "…")
}

// sheet is a record with one line for each column that is not empty.
func (v view[T]) sheet(record *T) []styledText {
	var names []string
	var contents []styledText
	width := 0
	for _, c := range v.columns {
		if content := newCell(c.text(record), c.style); content.text != "" {
			names, contents = append(names, c.name), append(contents, content)
			width = max(width, len(c.name))
		}
	}
	var texts []styledText
	for i, c := range contents {
		padding := strings.Repeat(" ", width-len(names[i])+gap)
		texts = append(texts, styledText{bold, names[i]}, styledText{text: padding}, c, styledText{text: "\n"})
	}
	return texts
}

// moment writes a time for a table, "" for none.
func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime + "Z")
}

// count writes a number for a table, "" for none.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// pairsOf writes metadata, sorted.
func pairsOf(metadata client.Metadata) string {
	pairs := make([]string, 0, len(metadata))
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, key+"="+metadata[key])
	}
	return strings.Join(pairs, " ")
}

// stateStyle colours the states of sessions and environments.
func stateStyle(state string) string {
	switch state {
	case "idle", "ready":
		return green
	case "processing":
		return yellow
	}
	return dim
}
