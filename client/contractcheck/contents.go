package contractcheck

import (
	"fmt"
	"net/http"
	"slices"
)

// contents compares the content of a file with what was uploaded, and reads parts of it.
func (p *probe) contents() error {
	if len(p.places) == 0 || !p.own([]string{"file_id"}, p.places[0]) {
		p.skip("no file was uploaded")
		return nil
	}
	q := p.request(p.places[0])
	q.header = http.Header{"Accept": {"*/*"}}
	got, err := p.send(q)
	if err != nil || !p.want(q, got, "the file was uploaded", http.StatusOK) {
		return err
	}
	if string(got.body) != fileContent {
		p.note(q, got, "", "it is not the content that was uploaded, "+difference(got.body, fileContent))
	}
	if slices.Contains(p.Statuses, http.StatusNotModified) {
		q.header = http.Header{"Accept": {"*/*"}, "If-None-Match": {got.header.Get("ETag")}}
		again, err := p.send(q)
		if err != nil {
			return err
		}
		p.want(q, again, "If-None-Match has the ETag of the content", http.StatusNotModified)
	}
	for value, want := range map[string]struct {
		status int
		body   string
	}{
		"bytes=2-5":  {http.StatusPartialContent, fileContent[2:6]},
		"bytes=-3":   {http.StatusPartialContent, fileContent[len(fileContent)-3:]},
		"bytes=999-": {http.StatusRequestedRangeNotSatisfiable, ""},
	} {
		q.header = http.Header{"Accept": {"*/*"}, "Range": {value}}
		got, err := p.send(q)
		if err != nil {
			return err
		}
		if p.want(q, got, "of Range: "+value, want.status) && want.body != "" && string(got.body) != want.body {
			p.note(q, got, "", "it is not the part of the content that Range names")
		}
	}
	return nil
}

// difference says where a content differs from what was uploaded.
func difference(got []byte, want string) string {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	if n == len(got) || n == len(want) {
		return fmt.Sprintf("which has %d bytes, and this has %d", len(want), len(got))
	}
	return fmt.Sprintf("whose byte %d is 0x%02x, and here it is 0x%02x: contents are bytes, which need not be text", n, want[n], got[n])
}
