package contract

import (
	"strings"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// edit replaces a part of a validated text.
type edit struct {
	from, to int
	text     string
}

// fillIn adds edits for the defaults of the properties that an object does not have. The object, of n
// members, has just been walked.
func (w *walker) fillIn(s *rules.Schema, seen uint64, n int) {
	for i := range s.Properties {
		absent := s.Properties[i].Absent
		if absent == "" || seen&(1<<i) != 0 {
			continue
		}
		if n == 0 {
			absent = absent[1:]
		}
		n++
		w.edits = append(w.edits, edit{from: w.pos - 1, to: w.pos - 1, text: absent})
	}
}

// edited returns the text with the edits applied: the text itself when there are none.
func (w *walker) edited() string {
	if len(w.edits) == 0 {
		return w.data
	}
	size := len(w.data)
	for _, e := range w.edits {
		size += len(e.text)
	}
	var out strings.Builder
	out.Grow(size)
	from := 0
	for _, e := range w.edits {
		out.WriteString(w.data[from:e.from])
		out.WriteString(e.text)
		from = e.to
	}
	out.WriteString(w.data[from:])
	return out.String()
}
