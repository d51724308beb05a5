package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// The sizes of lists, which are the contract's default and maximum of limit (a test compares them): to read the contract
// at each start would take longer than everything else that a command does.
const (
	defaultLimit = 20
	largestPage  = 100
)

// listFlags are the flags of lists. The flags of what a list cannot do are not there.
type listFlags struct {
	cmd                 *cobra.Command
	limit               int
	all                 bool
	after, before, sort string
	archived            bool
}

// newListFlags adds the flags of a list in pages to cmd.
func newListFlags(cmd *cobra.Command) *listFlags {
	f := &listFlags{cmd: cmd}
	flags := cmd.Flags()
	flags.IntVar(&f.limit, "limit", defaultLimit, "maximum number of records to list")
	flags.BoolVar(&f.all, "all", false, "list all records")
	f.query(&f.sort, "order", "order", "order by creation time: asc (oldest first) or desc (newest first, the default)")
	f.query(&f.after, "after", "after_id", "list the records that follow the one with this `ID`")
	f.query(&f.before, "before", "before_id", "list the records that precede the one with this `ID`")
	cmd.MarkFlagsMutuallyExclusive("limit", "all")
	cmd.MarkFlagsMutuallyExclusive("after", "before")
	_ = cmd.RegisterFlagCompletionFunc("order", cobra.FixedCompletions([]string{"asc", "desc"}, cobra.ShellCompDirectiveNoFileComp))
	return f
}

// withArchived adds the flag of lists that leave out what is archived.
func (f *listFlags) withArchived() *listFlags {
	f.cmd.Flags().BoolVar(&f.archived, "include-archived", false, "include archived records")
	return f
}

// query adds a flag that sets a parameter of the contract.
func (f *listFlags) query(v *string, flag, param, usage string) {
	f.cmd.Flags().StringVar(v, flag, "", usage)
	_ = f.cmd.Flags().SetAnnotation(flag, paramAnnotation, []string{param})
}

// pageSize is the limit of one request.
func (f *listFlags) pageSize() *int32 {
	if f.all {
		return new(int32(largestPage))
	}
	return new(int32(min(f.limit, largestPage)))
}

// optional is nil for a flag that was not set.
func optional[T ~string](v string) *T {
	if v == "" {
		return nil
	}
	return new(T(v))
}

// list shows the records of the page that first fetches and of those that follow.
func list[T any](a *app, f *listFlags, v view[T], first func(ctx context.Context, c *client.Client) (*client.Page[T], error)) error {
	if f.limit < 1 {
		return usageError{errors.New("--limit must be at least 1")}
	}
	ctx := f.cmd.Context()
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	out := &listing[T]{a: a, view: v}
	stop := a.err.spin("waiting for the server")
	page, err := first(ctx, c)
	stop()
	left, more := f.limit, false
	for err == nil {
		records := page.Data
		if !f.all && len(records) > left {
			records = records[:left]
		}
		left -= len(records)
		if err := out.page(records); err != nil {
			return err
		}
		if more = page.HasMore || len(records) < len(page.Data); left == 0 && !f.all {
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
	if more && a.out.terminal && a.err.terminal && !f.all {
		_ = a.err.writeStyled(styledText{dim, "More records exist: use --all, --limit or --after."}, styledText{text: "\n"})
	}
	return nil
}

// instant reads a time: a moment, a day, or how long ago it was.
func (a *app) instant(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return new(a.now().Add(-ago)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return &at, nil
		}
	}
	return nil, usageError{fmt.Errorf("--%s: %q is not a time; use a duration before now such as 24h, a day such as 2026-05-18, or 2026-05-18T15:26:15Z", flag, text)}
}
