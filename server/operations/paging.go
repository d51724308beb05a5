package operations

import (
	"context"
	"errors"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

// listQuery holds the query parameters that all lists have.
type listQuery struct {
	limit                 *types.Limit
	after, before, cursor *string
	order                 *types.Order
	archived              *types.IncludeArchived
}

// rowCopies is how often a page's row is held at a time: as the store and as the contract have it, and encoded.
const rowCopies = 3

// aheadOfPage is what a full page takes; it is reserved before a page is read, so that an account's pages that come to
// nothing are not read at the same time either. aheadOfOne is reserved before a single resource is read.
const (
	aheadOfPage = rowCopies * store.PageBytes
	aheadOfOne  = 4 << 20
)

// read reads a single resource, within the caller's share of memory.
func read[Row any](ctx context.Context, get func() (Row, error), size func(Row) int) (row Row, err error) {
	grant := request.From(ctx).Grant
	ahead, err := grant.Ahead(ctx, aheadOfOne)
	if err != nil {
		return row, err
	}
	defer ahead.Settle()
	if row, err = get(); err != nil {
		return row, err
	}
	if err := ahead.Use(rowCopies * size(row)); err != nil {
		return row, err
	}
	return row, grant.Work(ctx, size(row))
}

// listed runs a list's query: it reads the cursors, and returns the rows in the list's envelope (decision
// "List envelope").
func listed[Row, Wire any](ctx context.Context, q listQuery, list func(store.Page) (store.List[Row], error), wire func(Row) (Wire, error), id func(Row) string) (envelope[Wire], error) {
	page, param, err := q.page()
	if err != nil {
		return envelope[Wire]{}, err
	}
	grant := request.From(ctx).Grant
	ahead, err := grant.Ahead(ctx, aheadOfPage)
	if err != nil {
		return envelope[Wire]{}, err
	}
	size := 0
	page.Reserve = func(bytes int) error {
		size += bytes
		return ahead.Use(rowCopies * bytes)
	}
	rows, err := list(page)
	ahead.Settle()
	if err != nil {
		return envelope[Wire]{}, cursorError(err, param)
	}
	if err := grant.Work(ctx, size); err != nil {
		return envelope[Wire]{}, err
	}
	out := envelope[Wire]{Data: make([]Wire, 0, len(rows.Items)), HasMore: rows.HasMore}
	for _, row := range rows.Items {
		w, err := wire(row)
		if err != nil {
			return envelope[Wire]{}, err
		}
		out.Data = append(out.Data, w)
	}
	out.FirstID, out.LastID, out.NextPage = ends(rows, page, id)
	return out, nil
}

// cursorError returns the error of a list whose cursor is the value of the parameter.
func cursorError(err error, param string) error {
	if errors.Is(err, store.ErrUnknownCursor) {
		return &contract.RequestError{Param: param, Message: "Parameter '" + param + "' is not the cursor of a record in this list."}
	}
	return err
}

// ends returns the cursors of a list's envelope.
func ends[Row any](rows store.List[Row], page store.Page, id func(Row) string) (first, last, next *string) {
	n := len(rows.Items)
	if n == 0 {
		return nil, nil, nil
	}
	first, last = new(id(rows.Items[0])), new(id(rows.Items[n-1]))
	if rows.HasMore && !page.Backward {
		next = last
	}
	return first, last, next
}

// envelope is a list's envelope; it converts to each list type of the contract.
type envelope[Wire any] struct {
	Data     []Wire  `json:"data"`
	FirstID  *string `json:"first_id"`
	LastID   *string `json:"last_id"`
	HasMore  bool    `json:"has_more"`
	NextPage *string `json:"next_page"`
}

// maxPage is the contract's bound on the records of a page. Where a caller may ask for more, that is taken as maxPage.
const maxPage = 100

// page returns the store's page, and the name of the parameter that holds its cursor.
func (q listQuery) page() (store.Page, string, error) {
	page := store.Page{
		Limit:           min(int(value(q.limit)), maxPage),
		Ascending:       value(q.order) == types.ListOrderAsc,
		IncludeArchived: value(q.archived),
	}
	var param string
	for _, cursor := range []struct {
		param string
		value *string
	}{{"after_id", q.after}, {"before_id", q.before}, {"page", q.cursor}} {
		switch {
		case cursor.value == nil:
		case param != "":
			return page, "", &contract.RequestError{Param: cursor.param, Message: "Parameters '" + param + "' and '" + cursor.param + "' exclude each other."}
		default:
			param, page.Cursor = cursor.param, *cursor.value
			page.Backward = param == "before_id"
		}
	}
	return page, param, nil
}

// alias returns the value of a parameter that has two names, of which a request may send one.
func alias(name string, value *string, other string, same *string) (*string, error) {
	switch {
	case same == nil:
		return value, nil
	case value != nil:
		return nil, &contract.RequestError{Param: other, Message: "Parameters '" + name + "' and '" + other + "' are two names of one; send one of them."}
	}
	return same, nil
}

// aliases returns the cursors of a list that has another name for each.
func aliases(afterID, after, beforeID, before *string) (from, to *string, err error) {
	if from, err = alias("after_id", afterID, "after", after); err == nil {
		to, err = alias("before_id", beforeID, "before", before)
	}
	return from, to, err
}

// pageOf returns a page of the rows in memory, oldest first, that shown accepts; the others are still cursors.
func pageOf[Row any](rows []Row, id func(Row) string, shown func(Row) bool, page store.Page) (store.List[Row], error) {
	ordered := slices.Clone(rows)
	if !page.Ascending {
		slices.Reverse(ordered)
	}
	if page.Cursor != "" {
		at := slices.IndexFunc(ordered, func(r Row) bool { return id(r) == page.Cursor })
		switch {
		case at < 0:
			return store.List[Row]{}, store.ErrUnknownCursor
		case page.Backward:
			ordered = ordered[:at]
		default:
			ordered = ordered[at+1:]
		}
	}
	ordered = slices.DeleteFunc(ordered, func(r Row) bool { return !shown(r) })
	from, to := 0, min(len(ordered), page.Limit)
	if page.Backward {
		from, to = max(0, len(ordered)-page.Limit), len(ordered)
	}
	return store.List[Row]{Items: ordered[from:to], HasMore: len(ordered) > page.Limit}, nil
}
