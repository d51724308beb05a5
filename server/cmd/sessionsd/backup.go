package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/backup"
	"github.com/cloud-sessions/sessions/server/internal/build"
)

// placeFlags say where a server's data is.
type placeFlags struct{ db, blobs string }

func (f *placeFlags) register(cmd *cobra.Command) {
	registerDB(cmd.Flags(), &f.db, "`DATABASE`: sqlite:PATH")
	cmd.Flags().StringVar(&f.blobs, "blobs", "", "`FOLDER` where the contents of files are stored, as for serve; by default a folder beside the SQLite file")
}

// place returns where the data is, without a bucket: that is backed up by its own means. inBucket reports one.
func (f *placeFlags) place() (p backup.Place, inBucket bool) {
	blobs := server.BlobsOf(f.db, f.blobs)
	if inBucket = strings.HasPrefix(blobs, "s3://"); inBucket {
		blobs = ""
	}
	return backup.Place{DB: f.db, Blobs: blobs}, inBucket
}

func backupCommand() *cobra.Command {
	var flags placeFlags
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up a SQLite database and its files, also while it is served",
		Long: `Writes a SQLite database and the contents of its files, as they are at one moment, to a FILE that must not exist yet, or to
standard output for -. A server may serve the database meanwhile. The file is a tar archive, compressed by gzip, which only
its owner can read; 'sessionsd restore' reads it. Its folder, or $TMPDIR for -, needs space for a copy of the database.

The vault key is never in it, so that nobody who has the backup can read secrets: keep a copy of the key file apart from it.
Files in a bucket (--blobs s3://...) are not in it either; versions of the bucket's objects protect those.

For PostgreSQL use pg_dump and pg_restore.`,
		Example: `  sessionsd backup --db sqlite:/var/lib/sessions/sessions.db /backups/sessions-$(date +%F).tar.gz
  sessionsd backup - | ssh backup.example 'cat > sessions.tar.gz'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			place, inBucket := flags.place()
			out, to := cmd.OutOrStdout(), args[0]
			var copied backup.Copied
			write := func(w io.Writer, folder string) (err error) {
				copied, err = backup.Write(cmd.Context(), w, place, folder, build.Read().Version)
				return err
			}
			var err error
			if to == "-" {
				out = cmd.ErrOrStderr()
				err = write(cmd.OutOrStdout(), os.TempDir())
			} else {
				err = writeNew(to, write)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "backed up %s (%s) and %d files (%s) to %s\n", flags.db, mebibytes(copied.Database), copied.Files, mebibytes(copied.Bytes), to)
			if inBucket {
				fmt.Fprintf(out, "The files in %s are not in it.\n", flags.blobs)
			}
			if key := server.DefaultVaultKeyFile(flags.db); isFile(key) {
				fmt.Fprintf(out, "The vault key is not in it: keep a copy of %s elsewhere. Without it the secrets of vaults cannot be read.\n", key)
			} else {
				fmt.Fprintln(out, "The vault key is not in it: keep a copy of it elsewhere.")
			}
			return nil
		},
	}
	flags.register(cmd)
	return describeEnvironment(cmd)
}

// writeNew creates a file, which appears with what write writes when that is complete and on disk. write also gets the
// file's folder.
func writeNew(path string, write func(w io.Writer, folder string) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists, and is not overwritten; choose another name", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder of %s does not exist", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".backup-*.tar.gz") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // it has another name by then, or none
	err = write(file, filepath.Dir(path))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return backup.PlaceNew(file.Name(), path)
}

func restoreCommand() *cobra.Command {
	var flags placeFlags
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore a backup",
		Long: `Restores a FILE that 'sessionsd backup' wrote, or standard input for -, to a --db that does not exist, and to a folder of
files that is empty or does not exist. Nothing is overwritten: move an old database away first, with its -wal and .blobs. What
was read is verified before the database appears; when something is wrong, nothing is left.

The vault key is not in a backup: put its file back next to the database before the server starts, or the secrets of vaults
are not available.`,
		Example: `  sessionsd restore --db sqlite:/var/lib/sessions/sessions.db /backups/sessions-2026-11-27.tar.gz
  ssh backup.example 'cat sessions.tar.gz' | sessionsd restore -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			place, inBucket := flags.place()
			from := cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				from = file
			}
			copied, err := backup.Restore(cmd.Context(), from, place)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "restored %s (%s) and %d files (%s)\n", flags.db, mebibytes(copied.Database), copied.Files, mebibytes(copied.Bytes))
			if inBucket {
				fmt.Fprintf(out, "The files in %s are as they were.\n", flags.blobs)
			}
			if key := server.DefaultVaultKeyFile(flags.db); !isFile(key) {
				fmt.Fprintf(out, "Now put the vault key back, as %s, if there are vaults.\n", key)
			}
			return nil
		},
	}
	flags.register(cmd)
	return describeEnvironment(cmd)
}
