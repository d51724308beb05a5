// Package pgserver runs a PostgreSQL server of its own, from the installed programs, for tests, benchmarks and
// rehearsals. It imports pgx and the standard library only.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNone means that PostgreSQL is not installed.
var ErrNone = errors.New("PostgreSQL is not installed: initdb was found neither in its usual folders nor on the PATH")

// Server is a PostgreSQL server, or a pooler before one.
type Server struct {
	// URL is that of its database "postgres", whose user may create databases; a pooler's is that of the pooled database.
	URL  string
	hold io.WriteCloser
}

// Start starts a server in a new folder within dir, or within the one for temporary files if dir is "". It runs until
// Close, or until this process ends in any way, and leaves nothing behind. It listens on a Unix socket in its folder
// only, and commits durably. ErrNone when PostgreSQL is not installed.
func Start(dir string) (*Server, error) {
	url, hold, err := start(dir)
	if err != nil {
		return nil, err
	}
	return &Server{URL: url, hold: hold}, nil
}

// StartStandby starts a hot standby of a server that Start started: it can only read, until Promote. It runs like that
// one.
func StartStandby(primary *Server) (*Server, error) {
	u, err := url.Parse(primary.URL)
	if err != nil {
		return nil, errors.New("the server's URL cannot be read")
	}
	url, hold, err := startStandby("host=" + u.Query().Get("host") + " user=postgres")
	if err != nil {
		return nil, err
	}
	return &Server{URL: url, hold: hold}, nil
}

// Promote has a standby become a server that writes. It does not wait for that.
func (s *Server) Promote() error {
	_, err := io.WriteString(s.hold, "promote\n")
	return err
}

// StartPooler starts PgBouncer, the program at a path, with its defaults before the database with that URL. The mode is one
// of its pool modes, "session" or "transaction". It runs like a server of Start.
func StartPooler(program, database, mode string) (*Server, error) {
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, errors.New("the database's URL cannot be read")
	}
	password := ""
	if config.Password != "" {
		password = fmt.Sprintf(" password='%s'", config.Password)
	}
	settings := fmt.Sprintf("[databases]\n%s = host='%s' port=%d dbname=%[1]s user='%[4]s'%s\n[pgbouncer]\nauth_type = any\npool_mode = %s\n",
		config.Database, config.Host, config.Port, config.User, password, mode)
	url, hold, err := startPooler(program, config.Database, settings)
	if err != nil {
		return nil, err
	}
	return &Server{URL: url, hold: hold}, nil
}

// Close stops the server at once, with all connections to it, and removes its folder.
func (s *Server) Close() error { return s.hold.Close() }

// CreateDatabase creates a database on the server with that URL and returns the database's own URL. The name is
// lower-case letters, digits and underscores.
func CreateDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", errors.New("the server's URL cannot be read")
	}
	u.Path = "/" + name
	return u.String(), Execute(server, "CREATE DATABASE "+name)
}

// DropDatabase removes a database that CreateDatabase created on that server, and ends all connections to it.
func DropDatabase(server, database string) error {
	u, err := url.Parse(database)
	if err != nil {
		return errors.New("the database's URL cannot be read")
	}
	return Execute(server, "DROP DATABASE "+strings.TrimPrefix(u.Path, "/")+" WITH (FORCE)")
}

// Execute runs statements on a connection of their own, for at most a minute.
func Execute(database, statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statements)
	return err
}
