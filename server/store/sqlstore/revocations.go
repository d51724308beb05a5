package sqlstore

import "sync/atomic"

// revocations counts the tokens that were revoked, for all processes that share a database, so that they
// notice without a query.
type revocations interface {
	// number is another one after each add.
	number() int64
	// add makes the number another one, here and in other processes, before it returns.
	add() error
}

// ownRevocations are those of a database that no other process can share.
type ownRevocations struct{ atomic.Int64 }

func (r *ownRevocations) number() int64 { return r.Load() }

func (r *ownRevocations) add() error {
	r.Add(1)
	return nil
}
