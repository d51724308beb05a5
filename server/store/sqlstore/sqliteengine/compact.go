package sqliteengine

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// Compact rewrites a file without its free space and without what deleted rows may have left in it, and makes it give back
// space from then on. It calls begin with what it found before it begins, and returns the size afterwards. It refuses a
// file that a process serves.
func Compact(ctx context.Context, name string, begin func(engine.Space)) (size int64, err error) {
	if name == memory {
		return 0, errors.New("sqlstore: a database in memory cannot be compacted")
	}
	if err := checkName(name); err != nil {
		return 0, err
	}
	if _, err := os.Stat(name); err != nil { // a file that does not exist would be created
		return 0, fmt.Errorf("sqlstore: there is no database file to compact: %w", err)
	}
	e, err := openPools(ctx, name, Options{Serve: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	err = e.onWriter(ctx, func(c *rawConn) error {
		space, err := c.space(ctx)
		if err != nil {
			return err
		}
		space.File = e.files.path
		begin(space)
		for _, statement := range []string{fmt.Sprint("PRAGMA auto_vacuum = ", incremental), "VACUUM"} {
			if _, err := c.run(ctx, statement, nil); err != nil {
				return err
			}
		}
		if err := e.emptyLog(ctx, c); err != nil {
			return err
		}
		space, err = c.space(ctx)
		size = space.Size
		return err
	})
	return size, e.failure(ctx, err)
}

// space measures the file, including what is still in the log.
func (c *rawConn) space(ctx context.Context) (engine.Space, error) {
	var values [3]int64
	for i, pragma := range []string{"page_size", "page_count", "freelist_count"} {
		n, err := c.number(ctx, "PRAGMA "+pragma)
		if err != nil {
			return engine.Space{}, err
		}
		values[i] = n
	}
	return engine.Space{Size: values[0] * values[1], Free: values[0] * values[2]}, nil
}
