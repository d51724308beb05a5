//go:build !unix

package sqliteengine

import (
	"errors"
	"os"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// countedRevocations are the size of a file, which grows by a byte for each.
type countedRevocations struct{ path string }

func openRevocations(path string) (engine.Revocations, error) { return countedRevocations{path}, nil }

// Number implements engine.Revocations.
func (r countedRevocations) Number() int64 {
	info, err := os.Stat(r.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Add implements engine.Revocations.
func (r countedRevocations) Add() error {
	file, err := os.OpenFile(r.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte{'\n'})
	return errors.Join(err, file.Close())
}
