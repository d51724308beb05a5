package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const (
	// spareFreePages is how many free pages stay in the file, so that a file whose rows come and go does not shrink and
	// grow all the time.
	spareFreePages = 256
	// incremental is the value of auto_vacuum of a file that can give back free pages without being rewritten.
	incremental = 2
	// readersPatience is how long writers wait for readers that keep the log from being emptied.
	readersPatience = 250 * time.Millisecond
	// logLimit is how many bytes the write-ahead log holds when commits begin to copy it into the database.
	logLimit = 4 << 20
)

// giveBack gives at most limit free pages of the file back to the file system and returns how many it gave. When that is
// fewer than limit, it has also emptied the write-ahead log, so that what was deleted before is in none of the files.
func (e *pools) giveBack(ctx context.Context, limit int) (int, error) {
	if err := e.files.check(); err != nil {
		return 0, err
	}
	given := 0
	err := e.onWriter(ctx, func(c *rawConn) (err error) {
		if given, err = c.giveBack(ctx, limit); err == nil && given < limit {
			err = e.emptyLog(ctx, c)
		}
		return err
	})
	return given, e.failure(ctx, err)
}

func (c *rawConn) giveBack(ctx context.Context, limit int) (int, error) {
	mode, err := c.number(ctx, "PRAGMA auto_vacuum")
	if err != nil || mode != incremental {
		return 0, err
	}
	free, err := c.number(ctx, "PRAGMA freelist_count")
	if err != nil {
		return 0, err
	}
	pages := min(limit, int(free)-spareFreePages)
	if pages <= 0 {
		return 0, nil
	}
	// SQLite gives back one page for each row that is read.
	err = c.read(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pages), nil, func(engine.Scanner) error { return nil })
	return pages, err
}

// copyLog copies the write-ahead log into the database when it has become long. SQLite begins it anew once no reader
// needs it, at the beginning of the file, which keeps its length: to sync a file that grows takes twice as long. It is part of
// a commit, which has succeeded whatever happens here: the next commit tries again.
func (e *pools) copyLog(conn *sql.Conn) {
	if !e.files.longLog(logLimit) || !e.scrubber.holds(logLimit) {
		return
	}
	ctx := context.Background()
	_ = onConn(conn, func(c *rawConn) error {
		if err := e.scrubber.scrub(ctx, c); err != nil {
			return err
		}
		_, err := c.checkpoint(ctx, "PASSIVE")
		return err
	})
}

// emptyLog copies the write-ahead log into the database and truncates it.
func (e *pools) emptyLog(ctx context.Context, c *rawConn) (err error) {
	log := e.scrubber.path
	if info, err := os.Stat(log); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err := e.scrubber.scrub(ctx, c); err != nil {
		return err
	}
	before, err := c.number(ctx, "PRAGMA busy_timeout")
	if err != nil {
		return err
	}
	patience := func(milliseconds int64) error {
		_, err := c.number(context.WithoutCancel(ctx), fmt.Sprint("PRAGMA busy_timeout = ", milliseconds))
		return err
	}
	if err := patience(readersPatience.Milliseconds()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, patience(before)) }()
	done, err := c.checkpoint(ctx, "TRUNCATE")
	if err == nil && !done {
		err = fmt.Errorf("sqlstore: %w: deleted data may still be in %s, which another process reads", store.ErrUnavailable, log)
	}
	return err
}

// checkpoint copies the log in one of SQLite's modes and reports whether nothing kept it from that.
func (c *rawConn) checkpoint(ctx context.Context, mode string) (done bool, err error) {
	var busy, pages, copied int64
	err = c.read(ctx, "PRAGMA wal_checkpoint("+mode+")", nil, func(row engine.Scanner) error { return row.Scan(&busy, &pages, &copied) })
	return busy == 0, err
}
