package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// defaultDB is where serve and token look for the database unless told otherwise.
const defaultDB = "sqlite:data/sessions.db"

// databaseFlags are the flags of all commands that open the database.
type databaseFlags struct {
	name                             string
	maxConns                         int
	statementTimeout, connectTimeout time.Duration
}

func (f *databaseFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "db", defaultDB, "database, sqlite:PATH, whose folder is made if absent, or postgres://USER@HOST:PORT/NAME")
	flags.IntVar(&f.maxConns, "db-max-conns", sqlstore.DefaultMaxConns, "connections to PostgreSQL that may be open at once")
	flags.DurationVar(&f.statementTimeout, "db-statement-timeout", sqlstore.DefaultStatementTimeout, "how long PostgreSQL may take for a statement, locks included")
	flags.DurationVar(&f.connectTimeout, "db-connect-timeout", sqlstore.DefaultConnectTimeout, "how long to wait for a connection to PostgreSQL")
}
