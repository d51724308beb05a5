package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// databaseFlags are the flags of all commands that open the database.
type databaseFlags struct {
	name                             string
	maxConns                         int
	statementTimeout, connectTimeout time.Duration
}

func (f *databaseFlags) register(flags *pflag.FlagSet) {
	registerDB(flags, &f.name, "`DATABASE`: sqlite:PATH, whose folder is created if missing, or postgres://USER@HOST:PORT/NAME")
	flags.IntVar(&f.maxConns, "db-max-conns", sqlstore.DefaultMaxConns, "maximum number of open connections to PostgreSQL")
	flags.DurationVar(&f.statementTimeout, "db-statement-timeout", sqlstore.DefaultStatementTimeout, "how long a statement may take in PostgreSQL, including waiting for locks")
	flags.DurationVar(&f.connectTimeout, "db-connect-timeout", sqlstore.DefaultConnectTimeout, "how long to wait for a connection to PostgreSQL")
}

// options returns the options of a store with these flags.
func (f *databaseFlags) options() sqlstore.Options {
	return sqlstore.Options{MaxConns: f.maxConns, StatementTimeout: f.statementTimeout, ConnectTimeout: f.connectTimeout}
}

// registerDB adds the flag --db.
func registerDB(flags *pflag.FlagSet, name *string, usage string) {
	usage += ". By default the file sessions.db in $STATE_DIRECTORY, which systemd sets; else data/sessions.db here, if it exists; else " +
		"sessionsd/sessions.db in the user's folder for data ($XDG_DATA_HOME)"
	flags.StringVar(name, "db", defaultDB(runtime.GOOS, os.Getenv, isFile), usage)
}

// formerDB is where the database was by default in former versions: relative to the working directory.
const formerDB = "data/sessions.db"

// defaultDB returns the database without --db: in the folder of a service, or in the user's folder for data. A database that
// a former version created is used where it is. Where the system has neither folder, there is no default.
func defaultDB(system string, env func(string) string, exists func(string) bool) string {
	const file = "sessions.db"
	service, _, _ := strings.Cut(env("STATE_DIRECTORY"), ":") // systemd lists several, if a unit has them
	local := env("XDG_DATA_HOME")
	switch {
	case filepath.IsAbs(local): // others must be ignored, by the XDG Base Directory Specification
	case system == "windows":
		local = env("LOCALAPPDATA")
	case env("HOME") != "":
		local = filepath.Join(env("HOME"), ".local", "share")
	default:
		local = ""
	}
	switch {
	case service != "":
		return "sqlite:" + filepath.Join(service, file)
	case exists(formerDB):
		return "sqlite:" + formerDB
	case local != "":
		return "sqlite:" + filepath.Join(local, "sessionsd", file)
	}
	return ""
}

// isFile reports whether a file exists.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
