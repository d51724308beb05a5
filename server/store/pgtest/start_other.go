//go:build !unix

package pgtest

import (
	"errors"
	"io"
)

func start() (address string, hold io.Closer, err error) {
	return "", nil, errors.New("set " + ServerVariable + " to a server's URL; it is started by itself on Unix only")
}
