//go:build !unix

package pgserver

import (
	"errors"
	"io"
)

var errUnixOnly = errors.New("PostgreSQL is started on Unix only")

func start(string) (url string, hold io.WriteCloser, err error) { return "", nil, errUnixOnly }

func startStandby(string) (url string, hold io.WriteCloser, err error) { return "", nil, errUnixOnly }

func startPooler(program, database, settings string) (url string, hold io.WriteCloser, err error) {
	return "", nil, errUnixOnly
}
