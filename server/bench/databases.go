package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/cloud-sessions/sessions/server/store/pgserver"
)

// engine is what keeps a variant's rows.
type engine int

const (
	noEngine engine = iota
	sqlite
	postgres
)

// databases makes the databases of a run.
type databases struct {
	dir    string           // of the files
	server *pgserver.Server // nil where no variant needs it
}

// prepareDatabases starts a PostgreSQL within parent if one of the variants needs it, and returns the variants that
// there is a database for. It says so when some are left out.
func prepareDatabases(out io.Writer, parent, dir string, list []variant) (databases, []variant, error) {
	d := databases{dir: dir}
	needed := func(v variant) bool { return v.engine == postgres }
	if !slices.ContainsFunc(list, needed) {
		return d, list, nil
	}
	var err error
	if d.server, err = pgserver.Start(parent); err != nil {
		rest := slices.DeleteFunc(slices.Clone(list), needed)
		if !slices.ContainsFunc(rest, func(v variant) bool { return v.engine == sqlite }) {
			return d, nil, err
		}
		fmt.Fprintf(out, "LEFT OUT: the rows on PostgreSQL: %v\n", err)
		return d, rest, nil
	}
	return d, list, nil
}

// fresh makes an empty database for a variant, under a name of lower-case letters, digits and underscores.
func (d databases) fresh(v variant, name string) (string, error) {
	switch v.engine {
	case sqlite:
		return "sqlite:" + filepath.Join(d.dir, name+".db"), nil
	case postgres:
		return pgserver.CreateDatabase(d.server.URL, name)
	}
	return "", nil
}

func (d databases) close() error {
	if d.server == nil {
		return nil
	}
	return d.server.Close()
}
