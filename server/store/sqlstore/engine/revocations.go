package engine

import "sync/atomic"

// Revocations counts the tokens that were revoked, for all processes that share a database, so that they notice without a
// query.
type Revocations interface {
	// Number is another one after each Add.
	Number() int64
	// Add changes the number, here and in other processes, before it returns.
	Add() error
}

// OwnRevocations are those of one process. Its zero value is ready for use.
type OwnRevocations struct{ n atomic.Int64 }

// Number implements Revocations.
func (r *OwnRevocations) Number() int64 { return r.n.Load() }

// Add implements Revocations.
func (r *OwnRevocations) Add() error {
	r.n.Add(1)
	return nil
}
