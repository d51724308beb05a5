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
	out      stream
	headings []heading
	begun    bool // the header is written
}

// write writes rows, and the header before the first.
func (t *table) write(rows [][]styledText) error {
	if !t.begun {
		head := make([]styledText, len(t.headings))
		for i, h := range t.headings {
			head[i] = styledText{bold, h.name}
		}
		rows = append([][]styledText{head}, rows...)
	}
	for _, row := range rows {
		for i, cell := range row {
			t.headings[i].width = max(t.headings[i].width, runewidth.StringWidth(cell.text))
		}
	}
	if t.out.terminal {
		fit(t.headings, t.out.width, !t.begun)
	} else {
		for i := range t.headings {
			t.headings[i].shown = t.headings[i].width
		}
	}
	t.begun = true
	var texts []styledText
	for _, row := range rows {
		texts = append(texts, t.line(row)...)
	}
	return t.out.writeStyled(texts...)
}

// line is one row. It does not end in spaces.
func (t *table) line(row []styledText) (texts []styledText) {
	padding := 0
	for i, cell := range row {
		h := t.headings[i]
		if h.dropped {
			continue
		}
		if t.out.terminal {
			cell.text = runewidth.Truncate(cell.text, h.shown, "…")
		}
		if cell.text != "" {
			texts = append(texts, styledText{text: strings.Repeat(" ", padding)}, cell)
			padding = 0
		}
		padding += h.shown - runewidth.StringWidth(cell.text) + gap
	}
	return append(texts, styledText{text: "\n"})
}

// sheet is a record with one line for each column that is not empty.
func (v view[T]) sheet(record *T, when func(*time.Time) string) []styledText {
	var names []string
	var contents []styledText
	width := 0
	for _, c := range v.columns {
		if content := newCell(c.value(record, when), c.style); content.text != "" {
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
