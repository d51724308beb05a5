package main

import (
	"context"
	"errors"
	"io"

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
	stop := a.err.spin("waiting for the server")
	page, err := first(ctx, c)
	stop()
	left, more := size.limit, false
	for err == nil {
		records := page.Data
		if !size.all && len(records) > left {
			records = records[:left]
		}
		left -= len(records)
		if err := out.page(records); err != nil {
			return err
		}
		if more = page.HasMore || len(records) < len(page.Data); left == 0 && !size.all {
			break
		}
		page, err = page.Next(ctx)
	}
	if err != nil && err != io.EOF {
		return err
	}
	if err := out.end(); err != nil {
		return err
	}
	if onTerminal := a.out.terminal && a.err.terminal; more && (onTerminal || !size.chosen()) {
		_ = a.err.writeStyled(styledText{dim, "More records exist: use --all, --limit or --after."}, styledText{text: "\n"})
	}
	return nil
}
