package main

import "cmp"

// heading is a column of a table and the place it takes. Widths are columns of a terminal.
type heading struct {
	name  string
	width int  // of the widest text so far
	whole bool // it is never cut
	least int  // how narrow it may become
	drop  int  // the columns with the highest are left out first

	shown   int  // the width that it has
	dropped bool // it is left out
}

const (
	// leastWidth is how narrow a column may become before others are left out.
	leastWidth = 8
	// widest is how wide a text may be on a terminal whose width is not known.
	widest = 40
)

// fit makes a table as wide as a terminal at most, 0 for a width that is not known. First it leaves out columns, if it may
// and cuts the widest ones only when nothing else helps. A column that may become narrower is not left out before.
func fit(columns []heading, width int, mayDrop bool) {
	for i := range columns {
		columns[i].shown = columns[i].width
		if !columns[i].whole {
			columns[i].shown = min(columns[i].width, cmp.Or(width, widest))
		}
	}
	if width == 0 {
		return
	}
	for mayDrop && rowWidth(columns, heading.narrowest) > width {
		last := leastImportant(columns)
		if last == 0 {
			break
		}
		if columns[last].least > leastWidth { // it becomes narrow before it is left out
			columns[last].least = leastWidth
			continue
		}
		columns[last].dropped = true
	}
	for rowWidth(columns, func(h heading) int { return h.shown }) > width {
		cut := widestOf(columns)
		if cut < 0 {
			return
		}
		columns[cut].shown--
	}
}

// narrowest is the least width that the column may have.
func (h heading) narrowest() int {
	if h.whole {
		return h.width
	}
	return min(h.width, max(h.least, len(h.name)))
}

// rowWidth is the width of a row whose columns have the widths of a function.
func rowWidth(columns []heading, of func(heading) int) int {
	sum := -gap
	for _, h := range columns {
		if !h.dropped {
			sum += of(h) + gap
		}
	}
	return sum
}

// leastImportant returns the index of the column to leave out next, 0 when there is none: the first one is always there.
func leastImportant(columns []heading) int {
	last := 0
	for i, h := range columns {
		if i > 0 && !h.dropped && (last == 0 || h.drop >= columns[last].drop) {
			last = i
		}
	}
	return last
}

// widestOf returns the index of the widest column that can be cut further, -1 for none.
func widestOf(columns []heading) int {
	found := -1
	for i, h := range columns {
		if !h.dropped && h.shown > h.narrowest() && (found < 0 || h.shown >= columns[found].shown) {
			found = i
		}
	}
	return found
}
