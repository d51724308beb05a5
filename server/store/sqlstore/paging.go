package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// rows describes how one kind of resource is read.
type rows[T any] struct {
	noun store.Noun
	// table holds the resource and has the columns account_id, id, created_at, archived_at, deleted_at.
	table string
	// selection is a SELECT up to its WHERE that calls the table r.
	selection string
	scan      func(engine.Scanner) (T, error)
	// size returns roughly how many bytes of JSON the resource takes, at least as many as its texts do.
	size func(*T) int
	// shared is whether a page may share a round trip with other reads: see engine.Query.
	shared bool
	// complete adds what is not in the row; nil for nothing.
	complete func(ctx context.Context, s *Store, account string, v *T) error
}

// selectOne selects the row with the id $2 of the account $1. The sign makes the last condition another one than that of the
// partial indexes for lists: PostgreSQL, while it has no statistics, takes one of these for as good as the primary key, and
// would walk through all rows of the account.
func (r rows[T]) selectOne() string {
	return r.selection + ` WHERE r.account_id = $1 AND r.id = $2 AND +r.deleted_at IS NULL`
}

// get returns the row with that id, archived rows included, or a store.MissingError.
func get[T any](ctx context.Context, s *Store, r rows[T], account, id string) (T, error) {
	v, err := one(ctx, s, r.scan, r.selectOne(), account, id)
	if err != nil || r.complete == nil {
		return v, missing(err, store.MissingError{Noun: r.noun, ID: id})
	}
	err = r.complete(ctx, s, account, &v)
	return orZero(v, err)
}

// filter collects the conditions that rows of one account must meet, and their arguments.
type filter struct {
	account    string
	conditions []string
	args       []any
	// from and until bound the column that comes first in a list's order: from is included, until is not; nil for no
	// bound. They are separate from the other conditions because a list also has its cursor, and an index accepts
	// only one bound at each end.
	from, until *int64
}

// filterFor returns a filter that matches the account's rows that are not deleted.
func filterFor(account string) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.deleted_at IS NULL")
	return f
}

// keyFilter returns a filter that matches the row with that id, deleted rows included.
func keyFilter(account, id string) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.id = " + f.bind(id))
	return f
}

// andNotIndexed adds a condition in a form that no index is used for: while PostgreSQL has no statistics, it takes other
// indexes for as good as the primary key.
func (f *filter) andNotIndexed(condition string) { f.and("(" + condition + ") IS TRUE") }

// bind adds arguments and returns their placeholders.
func (f *filter) bind(args ...any) string {
	placeholders := make([]string, len(args))
	for i, arg := range args {
		f.args = append(f.args, arg)
		placeholders[i] = "$" + strconv.Itoa(len(f.args))
	}
	return strings.Join(placeholders, ", ")
}

// and adds a condition, which calls the table r.
func (f *filter) and(condition string) { f.conditions = append(f.conditions, condition) }

// since raises the lower bound.
func (f *filter) since(from int64) {
	if f.from == nil || from > *f.from {
		f.from = &from
	}
}

// within bounds the column that comes first in a list's order by times that may be nil. Stored times are whole
// microseconds, these need not be.
func (f *filter) within(after, from, before, to *time.Time) {
	if after != nil {
		f.since(toMicros(*after) + 1)
	}
	if from != nil {
		f.since(toMicrosUp(*from))
	}
	if before != nil {
		f.before(toMicrosUp(*before))
	}
	if to != nil {
		f.before(toMicros(*to) + 1)
	}
}

// before lowers the upper bound.
func (f *filter) before(until int64) {
	if f.until == nil || until < *f.until {
		f.until = &until
	}
}

func (f *filter) where() string { return " WHERE " + strings.Join(f.conditions, " AND ") }

// place is a row's place in a list: its values in the columns of the list's order.
type place []any

// byAge is the order of lists of resources.
var byAge = []string{"r.created_at", "r.id"}

// list returns the page of the rows that match f.
func list[T any](ctx context.Context, s *Store, r rows[T], f *filter, page store.Page) (store.List[T], error) {
	cursor, err := placeOf(ctx, s, r.table, f.account, page.Cursor)
	if err != nil {
		return store.List[T]{Items: []T{}}, err
	}
	if !page.IncludeArchived {
		f.and("r.archived_at IS NULL")
	}
	return listFrom(ctx, s, r, f, byAge, cursor, page)
}

// listFrom returns the page next to cursor, nil for the list's beginning, of the rows that match f. The columns of
// order together are unique. It runs the steps that also has after it has read the rows, unless that fails.
func listFrom[T any](ctx context.Context, s *Store, r rows[T], f *filter, order []string, cursor *place, page store.Page, also ...engine.Step) (store.List[T], error) {
	none := store.List[T]{Items: []T{}}
	if page.Limit < 1 {
		return none, errors.New("sqlstore: a page's limit is at least 1")
	}
	if page.Backward && cursor == nil { // nothing comes before a list's beginning
		return none, nil
	}
	items, hasMore, err := scanPage(ctx, s, r, pageQuery(r.selection, f, order, cursor, page), f.args, page, also)
	if err != nil {
		return none, err
	}
	if r.complete != nil {
		complete := func(v *T) error { return r.complete(ctx, s, f.account, v) }
		whole, err := completePage(items, r.size, complete, page)
		if err != nil {
			return none, err
		}
		items, hasMore = items[:whole], hasMore || whole < len(items)
	}
	if page.Backward {
		slices.Reverse(items)
	}
	return store.List[T]{Items: items, HasMore: hasMore}, nil
}

// errFull ends the scan of a page's rows.
var errFull = errors.New("sqlstore: the page is full")

// scanPage scans rows until the page is full, then runs the steps; hasMore is whether there was another row.
func scanPage[T any](ctx context.Context, s *Store, r rows[T], text string, args []any, page store.Page, also []engine.Step) (items []T, hasMore bool, err error) {
	items = []T{}
	taken := tally{page: page}
	scan := func(row engine.Scanner) error {
		if len(items) == page.Limit {
			return errFull
		}
		item, err := r.scan(row)
		if err != nil {
			return err
		}
		if err := taken.add(r.size(&item)); err != nil {
			return err
		}
		items = append(items, item)
		return nil
	}
	step := engine.Step{Query: engine.Query{Text: text, Args: args, Shared: r.shared}, Each: func(row engine.Scanner) error {
		err := scan(row)
		if hasMore = errors.Is(err, errFull); hasMore {
			return engine.ErrEnough
		}
		return err
	}}
	err = s.pipeline(ctx, slices.Insert(also, 0, step)...)
	return items, hasMore, err
}

// completePage completes items until the page is full and returns how many it holds.
func completePage[T any](items []T, size func(*T) int, complete func(*T) error, page store.Page) (int, error) {
	taken := tally{page: page}
	for i := range items {
		scanned := size(&items[i])
		if err := complete(&items[i]); err != nil {
			return 0, err
		}
		taken.reserved = scanned
		if err := taken.add(size(&items[i])); errors.Is(err, errFull) {
			return i, nil
		} else if err != nil {
			return 0, err
		}
	}
	return len(items), nil
}

// tally counts the bytes of a page's rows.
type tally struct {
	page        store.Page
	rows, bytes int
	reserved    int // of the next row
}

// add counts a row of that size; errFull when the page has no room for it. The first row always has room.
func (t *tally) add(size int) error {
	if t.rows > 0 && t.bytes+size > cmp.Or(t.page.Bytes, store.PageBytes) {
		return errFull
	}
	t.rows, t.bytes = t.rows+1, t.bytes+size
	if t.page.Reserve == nil {
		return nil
	}
	return t.page.Reserve(size - t.reserved)
}

// placeOf returns the place by age of the row with that id, deleted rows included, and nil for "".
func placeOf(ctx context.Context, s *Store, table, account, id string) (*place, error) {
	if id == "" {
		return nil, nil
	}
	scan := func(row engine.Scanner) (place, error) {
		var created int64
		err := row.Scan(&created)
		return place{created, id}, err
	}
	p, err := one(ctx, s, scan, `SELECT created_at FROM `+table+` WHERE account_id = $1 AND id = $2`, account, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.ErrUnknownCursor
	}
	return &p, err
}

// pageQuery returns the query for one row more than the page holds, nearest to the cursor first; f gets its
// arguments. Of the cursor and the filter's bound at the same end it uses the narrower, which implies the other. The
// limit is not an argument: SQLite would compile the query again once it knew its value.
func pageQuery(selection string, f *filter, order []string, cursor *place, page store.Page) string {
	ascending := page.Ascending != page.Backward
	direction, beyond, bound := " DESC", " < ", &f.until
	if ascending {
		direction, beyond, bound = " ASC", " > ", &f.from
	}
	if cursor != nil && (*bound == nil || ((*cursor)[0].(int64) < **bound) != ascending) {
		*bound = nil
		f.and("(" + strings.Join(order, ", ") + ")" + beyond + "(" + f.bind(*cursor...) + ")")
	}
	if f.from != nil {
		f.and(order[0] + " >= " + f.bind(*f.from))
	}
	if f.until != nil {
		f.and(order[0] + " < " + f.bind(*f.until))
	}
	return selection + f.where() +
		" ORDER BY " + strings.Join(order, direction+", ") + direction +
		" LIMIT " + strconv.Itoa(page.Limit+1)
}
