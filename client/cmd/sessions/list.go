package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// listSize is how many records a list shows.
type listSize struct {
	limit int
	all   bool
	// chosen reports whether the caller has set the limit.
	chosen func() bool
}

// addListSize adds the flags of the size of a list to cmd.
func addListSize(cmd *cobra.Command) *listSize {
	s := &listSize{chosen: func() bool { return cmd.Flags().Changed("limit") }}
	cmd.Flags().IntVar(&s.limit, "limit", defaultLimit, "maximum number of records to list")
	cmd.Flags().BoolVar(&s.all, "all", false, "list all records")
	cmd.MarkFlagsMutuallyExclusive("limit", "all")
	return s
}

func (s *listSize) check() error {
	if s.limit < 1 {
		return usageError{errors.New("--limit must be at least 1")}
	}
	return nil
}

// page is the limit of one request.
func (s *listSize) page() int {
	if s.all {
		return largestPage
	}
	return min(s.limit, largestPage)
}

// list shows the records of the page that first fetches and of those that follow.
func list[T any](ctx context.Context, a *app, size *listSize, v view[T], first func(ctx context.Context, c *client.Client) (*client.Page[T], error)) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out := &listing[T]{a: a, view: v}
	more, err := eachPage(ctx, a, size, func(ctx context.Context) (*client.Page[T], error) { return first(ctx, c) }, out.page)
	if err != nil {
		return err
	}
	if err := out.end(); err != nil {
		return err
	}
	if onTerminal := a.out.terminal && a.err.terminal; more && (onTerminal || !size.chosen()) {
		a.remark("More records exist: use --all, --limit or --after.")
	}
	return nil
}

// eachPage calls each with the records of the page that first fetches and of those that follow, and reports whether more exist
// than the size allows.
func eachPage[T any](ctx context.Context, a *app, size *listSize, first func(ctx context.Context) (*client.Page[T], error), each func([]T) error) (more bool, err error) {
	stop := a.err.spin("waiting for the server")
	page, err := first(ctx)
	stop()
	left := size.limit
	for err == nil {
		records := page.Data
		if !size.all && len(records) > left {
			records = records[:left]
		}
		left -= len(records)
		if err := each(records); err != nil {
			return false, err
		}
		if more = page.HasMore || len(records) < len(page.Data); left == 0 && !size.all {
			break
		}
		page, err = page.Next(ctx)
	}
	if err != io.EOF {
		return more, err
	}
	return more, nil
}

// showsLatest reports whether a list in the order of time shows its end: a person reads it, and has not said what to show.
func (a *app) showsLatest(size *listSize, doc map[string]any) bool {
	chosen := size.all
	for _, param := range []string{"order", "after_id", "before_id"} {
		chosen = chosen || doc[param] != nil
	}
	return a.out.terminal && a.form() == formatTable && !chosen
}

// listLatest shows the last records of a list, whose pages come from its end, in the order of the list.
func listLatest[T any](ctx context.Context, a *app, size *listSize, v view[T], first func(ctx context.Context, c *client.Client) (*client.Page[T], error)) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	var latest []T
	more, err := eachPage(ctx, a, size, func(ctx context.Context) (*client.Page[T], error) { return first(ctx, c) }, func(records []T) error {
		latest = append(latest, records...)
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(latest)
	if more && a.err.terminal {
		a.remark("Earlier records exist: use --all, --limit or --before.")
	}
	return showAll(a, v, latest)
}

// remark writes a line about the output to standard error.
func (a *app) remark(text string) {
	_ = a.err.writeStyled(styledText{dim, text}, styledText{text: "\n"})
}
