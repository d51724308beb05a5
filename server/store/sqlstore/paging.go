package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// rows says how one kind of resource is read.
type rows[T any] struct {
	// table holds the resource and has the columns account_id, id, created_at, archived_at, deleted_at.
	table string
	// selection is a SELECT up to its WHERE that calls the table r.
	selection string
	scan      func(scanner) (T, error)
}

// get returns the row with that id, archived ones included, or store.ErrNotFound.
func get[T any](ctx context.Context, s *Store, r rows[T], account, id string) (T, error) {
	f := filterFor(account)
	f.and("r.id = " + f.bind(id))
	return one(ctx, s, r.scan, r.selection+f.where(), f.args...)
}

// filter collects the conditions that rows of one account must meet, and their arguments.
type filter struct {
	account    string
	conditions []string
	args       []any
}

// filterFor returns a filter that every row of the account passes unless it is deleted.
func filterFor(account string) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.deleted_at IS NULL")
	return f
}

// bind adds an argument and returns its placeholder.
func (f *filter) bind(arg any) string {
	f.args = append(f.args, arg)
	return "$" + strconv.Itoa(len(f.args))
}

// and adds a condition, which calls the table r.
func (f *filter) and(condition string) { f.conditions = append(f.conditions, condition) }

func (f *filter) where() string { return " WHERE " + strings.Join(f.conditions, " AND ") }

// place is where a row stands in a list.
type place struct {
	createdAt time.Time
	id        string
}

// list returns the page of the rows that pass f.
func list[T any](ctx context.Context, s *Store, r rows[T], f *filter, page store.Page) (store.List[T], error) {
	none := store.List[T]{Items: []T{}}
	if page.Limit < 1 {
		return none, errors.New("sqlstore: a page's limit is at least 1")
	}
	if page.Backward && page.Cursor == "" { // nothing comes before a list's beginning
		return none, nil
	}
	cursor, err := placeOf(ctx, s, r.table, f.account, page.Cursor)
	if err != nil {
		return none, err
	}
	query := pageQuery(r.selection, f, cursor, page)
	items, err := all(ctx, s, r.scan, query, f.args...)
	if err != nil {
		return none, err
	}
	hasMore := len(items) > page.Limit
	items = items[:min(len(items), page.Limit)]
	if page.Backward {
		slices.Reverse(items)
	}
	return store.List[T]{Items: items, HasMore: hasMore}, nil
}

// placeOf returns the place of the row with that id, deleted ones included, and nil for "".
func placeOf(ctx context.Context, s *Store, table, account, id string) (*place, error) {
	if id == "" {
		return nil, nil
	}
	scan := func(row scanner) (place, error) {
		p := place{id: id}
		return p, row.Scan(timeTo{&p.createdAt})
	}
	p, err := one(ctx, s, scan, `SELECT created_at FROM `+table+` WHERE account_id = $1 AND id = $2`, account, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.ErrUnknownCursor
	}
	return &p, err
}

// pageQuery returns the query for one row more than the page holds, nearest to the cursor first; f gets
// its arguments.
func pageQuery(selection string, f *filter, cursor *place, page store.Page) string {
	direction, beyond := " DESC", " < "
	if page.Ascending != page.Backward {
		direction, beyond = " ASC", " > "
	}
	if !page.IncludeArchived {
		f.and("r.archived_at IS NULL")
	}
	if cursor != nil {
		f.and("(r.created_at, r.id)" + beyond + "(" + f.bind(toMicros(cursor.createdAt)) + ", " + f.bind(cursor.id) + ")")
	}
	return selection + f.where() +
		" ORDER BY r.created_at" + direction + ", r.id" + direction +
		" LIMIT " + f.bind(page.Limit+1)
}
