package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// defaultDB is the database of serve and token by default.
const defaultDB = "sqlite:data/sessions.db"

// databaseFlags are the flags of all commands that open the database.
type databaseFlags struct {
	name                             string
	maxConns                         int
	statementTimeout, connectTimeout time.Duration
}

func (f *databaseFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "db", defaultDB, "database: sqlite:PATH, whose folder is created if missing, or postgres://USER@HOST:PORT/NAME")
	flags.IntVar(&f.maxConns, "db-max-conns", sqlstore.DefaultMaxConns, "maximum number of open connections to PostgreSQL")
	flags.DurationVar(&f.statementTimeout, "db-statement-timeout", sqlstore.DefaultStatementTimeout, "how long a statement may take in PostgreSQL, including waiting for locks")
	flags.DurationVar(&f.connectTimeout, "db-connect-timeout", sqlstore.DefaultConnectTimeout, "how long to wait for a connection to PostgreSQL")
}
