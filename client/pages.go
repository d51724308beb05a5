package client

import (
	"context"
	"io"
	"iter"
	"net/http"
)

// Page is one page of a list.
type Page[T any] struct {
	// Data holds the records, in the order of the list.
	Data []T `json:"data"`
	// FirstID is the id of the first record, "" without one.
	FirstID string `json:"first_id"`
	// LastID is the id of the last record, "" without one.
	LastID string `json:"last_id"`
	// HasMore reports whether [Page.Next] has another page.
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

// list fetches the page at a cursor. build returns the request for it.
func list[T any](ctx context.Context, c *Client, op string, opts []Option, at cursor, build func(server string, at cursor) (*http.Request, error)) (*Page[T], error) {
	page, err := call[Page[T]](ctx, c, op, opts, func(server string) (*http.Request, error) { return build(server, at) })
	if err != nil {
		return nil, err
	}
	next := page.following(at)
	page.next = func(ctx context.Context) (*Page[T], error) {
		if next.values() == [3]string{} || next.values() == at.values() {
			return nil, &Error{Op: op, Type: ErrUnexpectedResponse, Message: "has_more is true but the response has no cursor for the next page"}
		}
		return list[T](ctx, c, op, opts, next, build)
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
