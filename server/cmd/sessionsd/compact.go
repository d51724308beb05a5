package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func compactCommand() *cobra.Command {
	var db string
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Rewrite a SQLite file without its free space",
		Long: `Rewrites a SQLite file without its free space and without the traces of deleted rows. A new file does both
by itself while it is served; one that an older version created does so after it was compacted once.

No server may serve the file meanwhile. Compacting needs as much free space as the result takes, both in the
file's folder and in the folder for temporary files ($SQLITE_TMPDIR or $TMPDIR), and some seconds for each
100 MiB. It can be interrupted: the file is then as it was before.`,
		Example: "  sessionsd compact --db sqlite:/var/lib/sessions/sessions.db",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			began := time.Now()
			size, err := sqlstore.Compact(cmd.Context(), db, func(s engine.Space) {
				fmt.Fprintf(out, "compacting %s: %s, %s of it free; this needs up to %s of temporary space in the file's folder and again for temporary files\n",
					s.File, mebibytes(s.Size), mebibytes(s.Free), mebibytes(s.Size-s.Free))
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "compacted to %s in %s\n", mebibytes(size), time.Since(began).Round(100*time.Millisecond))
			return err
		},
	}
	registerDB(cmd.Flags(), &db, "`DATABASE` to compact: sqlite:PATH")
	return describeEnvironment(cmd)
}

// mebibytes formats a size.
func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
