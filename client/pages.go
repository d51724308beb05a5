package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Page is one page of a list.
type Page[T any] struct {
	// Data holds the records, in the order of the list.
	Data []T `json:"data"`
	// FirstID is the id of the first record, "" without one.
	FirstID string `json:"first_id"`
	// LastID is the id of the last record, "" without one.
	LastID string `json:"last_id"`
	// HasMore reports whether [Page.Next] has another page, or an error, because the response of a server that does not follow
	// the contract leaves open whether records follow.
	HasMore bool `json:"has_more"`
	// NextPage is the Page parameter of the next page, "" on the last one and when paging backward.
	NextPage string `json:"next_page"`

	next func(context.Context) (*Page[T], error)
}

// Next returns the next page, or, in a list requested with BeforeID, the previous one, with the options of the call that
// returned this page. After the last page it returns [io.EOF]; its other errors are those of the list.
func (p *Page[T]) Next(ctx context.Context) (*Page[T], error) {
	if !p.HasMore || p.next == nil {
		return nil, io.EOF
	}
	return p.next(ctx)
}

// cursor is a position in a list; at most one field is not nil.
type cursor struct{ page, after, before *string }

// values makes cursors comparable.
func (c cursor) values() [3]string {
	return [3]string{value(c.page), value(c.after), value(c.before)}
}

// wirePage is a page as servers send it. Some leave has_more out.
type wirePage[T any] struct {
	Data     []T              `json:"data"`
	FirstID  string           `json:"first_id"`
	LastID   string           `json:"last_id"`
	HasMore  *bool            `json:"has_more"`
	NextPage Nullable[string] `json:"next_page"`
}

// more reports whether records follow the page, and whether the response, with what was asked for, says that. Without
// has_more, next_page says it; the last page of a list that is read by next_page may lack that too. A page with neither is
// the last one when it has fewer records than the request's limit, or none.
func (p *wirePage[T]) more(asked url.Values) (more, known bool) {
	next, _ := p.NextPage.Get()
	limit, _ := strconv.Atoi(asked.Get("limit")) // 0 when the server chooses it
	switch {
	case p.HasMore != nil:
		return *p.HasMore, true
	case p.NextPage.IsSpecified() || asked.Has("page"):
		return next != "", true
	}
	known = len(p.Data) < max(limit, 1)
	return !known, known
}

// maxEmptyPages is how many pages without a record may follow each other: a list must end, even if its caller sees nothing of it.
const maxEmptyPages = 1000

// trail is how a list got to a page, so that it ends on a server whose pages do not. It remembers one of the cursors, and
// takes another one after twice as many pages: a circle of any length comes back to it.
type trail struct {
	remembered   cursor
	pages, until int
	empty        int // pages without a record, the last ones
}

// to returns the trail to the page after one with so many records, and what is wrong with it; "" for nothing.
func (t trail) to(next cursor, records int) (trail, string) {
	if t.empty++; records > 0 {
		t.empty = 0
	}
	switch {
	case t.pages > 0 && next.values() == t.remembered.values():
		return t, "the server has sent the cursor of the next page before, so that the list has no end"
	case t.empty == maxEmptyPages:
		return t, "has_more is true on " + strconv.Itoa(maxEmptyPages) + " pages in a row without a record"
	}
	if t.pages++; t.pages > t.until {
		t.remembered, t.until = next, 2*t.pages
	}
	return t, ""
}

// list fetches the page at a cursor. build returns the request for it.
func list[T any](ctx context.Context, c *Client, op string, opts []Option, at cursor, build func(server string, at cursor) (*http.Request, error)) (*Page[T], error) {
	return listAfter[T](ctx, c, op, opts, at, trail{}, build)
}

// listAfter is list for a page that others led to.
func listAfter[T any](ctx context.Context, c *Client, op string, opts []Option, at cursor, way trail, build func(server string, at cursor) (*http.Request, error)) (*Page[T], error) {
	var asked url.Values
	wire, err := call[wirePage[T]](ctx, c, op, opts, func(server string) (*http.Request, error) {
		req, err := build(server, at)
		if err == nil {
			asked = req.URL.Query()
		}
		return req, err
	})
	if err != nil {
		return nil, err
	}
	more, known := wire.more(asked)
	page := &Page[T]{Data: wire.Data, FirstID: wire.FirstID, LastID: wire.LastID, HasMore: more}
	page.NextPage, _ = wire.NextPage.Get()
	next := page.following(at)
	page.next = func(ctx context.Context) (*Page[T], error) {
		switch {
		case !known:
			return nil, &Error{Op: op, Type: ErrUnexpectedResponse, Message: "the response has neither has_more nor next_page, " +
				"so that more records may follow; set Limit to more than there can be"}
		case next.values() == [3]string{} || next.values() == at.values():
			return nil, &Error{Op: op, Type: ErrUnexpectedResponse, Message: "has_more is true but the response has no cursor for the next page"}
		}
		on, wrong := way.to(next, len(wire.Data))
		if wrong != "" {
			return nil, &Error{Op: op, Type: ErrUnexpectedResponse, Message: wrong}
		}
		return listAfter[T](ctx, c, op, opts, next, on, build)
	}
	return page, nil
}

// following returns the cursor after a page that was fetched at at. Without next_page, as always backward, the ids are the
// cursors.
func (p *Page[T]) following(at cursor) cursor {
	switch {
	case p.NextPage != "":
		return cursor{page: &p.NextPage}
	case at.before != nil && p.FirstID != "":
		return cursor{before: &p.FirstID}
	case at.before == nil && p.LastID != "":
		return cursor{after: &p.LastID}
	}
	return cursor{}
}

// all yields the records of the page that first fetches and of the pages that follow. It yields an error once, as the last
// pair.
func all[T any](ctx context.Context, first func() (*Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page, err := first()
		for err == nil {
			for _, record := range page.Data {
				if !yield(record, nil) {
					return
				}
			}
			page, err = page.Next(ctx)
		}
		if err != io.EOF {
			var none T
			yield(none, err)
		}
	}
}
