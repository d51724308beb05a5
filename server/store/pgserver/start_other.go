//go:build !unix

package pgserver

import (
	"errors"
	"io"
)

func start(string) (url string, hold io.Closer, err error) {
	return "", nil, errors.New("PostgreSQL is started on Unix only")
}
