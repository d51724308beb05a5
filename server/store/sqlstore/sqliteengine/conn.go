package sqliteengine

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"modernc.org/sqlite"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// maxStatements bounds the statements that one connection keeps prepared. The store has some dozens of fixed texts;
// lists add a few for each combination of filters.
const maxStatements = 100

// connector connects a pool of rawConns.
type connector struct {
	driver.Connector
	files *files // nil in memory
}

func newConnector(dsn string, f *files) (driver.Connector, error) {
	driver, err := sqlite.NewConnector(dsn)
	return connector{driver, f}, err
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.files == nil {
		return c.connect(ctx)
	}
	var made *rawConn
	err := c.files.connect(func() (err error) {
		made, err = c.connect(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	made.files = c.files
	return made, nil
}

func (c connector) connect(ctx context.Context) (*rawConn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := made.(driverConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T lacks methods", made), made.Close())
	}
	return &rawConn{driverConn: conn, statements: map[string]*statement{}}, nil
}

// driverConn is what the driver's connections implement for database/sql, and two methods for databases in memory.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	Serialize() ([]byte, error)
	Deserialize(image []byte) error
}

// rawConn is a connection that prepares each statement of the store once. It calls the driver directly, since
// database/sql takes longer to convert and to supervise a statement than SQLite to run it; to database/sql, which
// pools it, it is an ordinary connection. It serves one call at a time.
type rawConn struct {
	driverConn
	files      *files // nil in memory
	statements map[string]*statement
	args       []driver.NamedValue // of the statement that runs
}

// statement is a prepared statement.
type statement struct {
	close func() error
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	row   row // nil before the first row
}

// onConn calls run with the connection behind conn, which nothing else can use meanwhile.
func onConn(conn *sql.Conn, run func(c *rawConn) error) error {
	var err error
	if lost := conn.Raw(func(c any) error {
		err = run(c.(*rawConn))
		return nil
	}); lost != nil {
		return lost
	}
	return err
}

// Close closes the statements first: SQLite does not close a connection with open statements.
func (c *rawConn) Close() error {
	errs := make([]error, 0, len(c.statements)+1)
	for _, s := range c.statements {
		errs = append(errs, s.close())
	}
	clear(c.statements)
	end := c.driverConn.Close
	if c.files == nil {
		return errors.Join(append(errs, end())...)
	}
	return errors.Join(append(errs, c.files.disconnect(end))...)
}

// statement returns the prepared statement. When the connection keeps too many, any of them is closed.
func (c *rawConn) statement(text string) (*statement, error) {
	if s, ok := c.statements[text]; ok {
		return s, nil
	}
	made, err := c.PrepareContext(context.Background(), nameless(text))
	if err != nil {
		return nil, err
	}
	s := &statement{close: made.Close}
	var ok, too bool
	s.exec, ok = made.(driver.StmtExecContext)
	s.query, too = made.(driver.StmtQueryContext)
	if !ok || !too {
		return nil, errors.Join(fmt.Errorf("%T lacks methods", made), made.Close())
	}
	if len(c.statements) >= maxStatements {
		for old, s := range c.statements {
			delete(c.statements, old)
			if err := s.close(); err != nil {
				return nil, errors.Join(err, made.Close())
			}
			break
		}
	}
	c.statements[text] = s
	return s, nil
}

// nameless returns a statement with ? for its placeholders $1, $2, … if each occurs once, in that order. To SQLite
// those are names, which the driver looks up whenever it binds an argument.
func nameless(text string) string {
	var out strings.Builder
	rest := text
	for n := 1; ; n++ {
		before, after, found := strings.Cut(rest, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		if after[:digits] != strconv.Itoa(n) {
			return text
		}
		out.WriteByte('?')
		rest = after[digits:]
	}
}

// run runs a statement that yields no rows and returns how many rows it wrote. When ctx ends during the statement, it
// is interrupted; SQLite then rolls back the whole transaction that it writes in.
func (c *rawConn) run(ctx context.Context, text string, args []any) (int, error) {
	s, err := c.statement(text)
	if err != nil {
		return 0, err
	}
	if err := c.bind(args); err != nil {
		return 0, err
	}
	defer clear(c.args)
	result, err := s.exec.ExecContext(ctx, c.args)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// read calls each for every row that a query yields, which must not use the connection or keep the row.
func (c *rawConn) read(ctx context.Context, text string, args []any, each func(engine.Scanner) error) (err error) {
	s, err := c.statement(text)
	if err != nil {
		return err
	}
	if err := c.bind(args); err != nil {
		return err
	}
	defer clear(c.args)
	rows, err := s.query.QueryContext(ctx, c.args)
	if err != nil {
		return err
	}
	defer func() {
		clear(s.row)
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	if s.row == nil {
		s.row = make(row, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := each(s.row); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// bind fills c.args.
func (c *rawConn) bind(args []any) error {
	c.args = c.args[:0]
	for i, arg := range args {
		value, err := toValue(arg)
		if err != nil {
			return fmt.Errorf("argument %d: %w", i+1, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return nil
}
