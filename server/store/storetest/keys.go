package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

func keyTests() map[string]test {
	return map[string]test{
		"Replay": func(b *bed) {
			k := key("k")
			b.claims(k)
			b.replays(k)
		},
		"BodyIsKept": func(b *bed) {
			for i, body := range []string{"", "{}\n", `{"名": "<&>\u0000"}`} {
				k := key(fmt.Sprint(i))
				check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
					_, err := b.ClaimKey(ctx, k)
					check(b.T, err)
					return b.RecordResponse(ctx, k, store.RecordedResponse{Status: 201, ContentType: "text/x", Body: []byte(body)})
				}))
				got, err := b.ClaimKey(b.ctx, k)
				check(b.T, err)
				equal(b.T, "reply", &store.RecordedResponse{Status: 201, ContentType: "text/x", Body: []byte(body)}, got)
			}
		},
		"OtherFingerprint": func(b *bed) {
			k := key("k")
			b.claims(k)
			reused := k
			reused.Fingerprint = "f2"
			_, err := b.ClaimKey(b.ctx, reused)
			fails(b.T, "other fingerprint", store.ErrKeyReused, err)
			b.replays(k)
		},
		"OtherAccount": func(b *bed) {
			k := key("k")
			b.claims(k)
			foreign := store.Key{Account: other, Value: k.Value, Fingerprint: "f2"}
			b.claims(foreign)
			b.replays(k)
			b.replays(foreign)
		},
		"OtherAccountsClaim": func(b *bed) { // of the same request, committed without a response
			foreign := store.Key{Account: other, Value: "k", Fingerprint: "f1"}
			_, err := b.ClaimKey(b.ctx, foreign)
			check(b.T, err)
			b.claims(key("k"))
			b.claims(foreign)
		},
		"UndoneWithItsTransaction": func(b *bed) {
			k := key("k")
			failure := errors.New("failure")
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.claimAndRecord(ctx, k))
				return failure
			})
			fails(b.T, "transaction", failure, err)
			b.claims(k)
		},
		"ClaimEndsWithItsTransaction": func(b *bed) {
			k := key("k")
			for _, fingerprint := range []string{"f1", "f1", "f2"} { // committed without a reply
				k.Fingerprint = fingerprint
				reply, err := b.ClaimKey(b.ctx, k)
				check(b.T, err)
				equal(b.T, "reply", nil, reply)
			}
			b.claims(k)
		},
		"RecordUnclaimed": func(b *bed) {
			if err := b.RecordResponse(b.ctx, key("k"), reply()); err == nil {
				b.Error("a reply for a key that was never claimed is recorded")
			}
		},
		"Expiry": func(b *bed) {
			k := key("k")
			b.claims(k)
			b.clock.advance(store.KeyLifetime - time.Microsecond)
			b.replays(k)
			b.clock.advance(time.Microsecond)
			k.Fingerprint = "f2" // what has expired does not count as a use, either
			b.claims(k)
			b.clock.advance(store.KeyLifetime - time.Microsecond)
			b.replays(k)
		},
		"Sweep": func(b *bed) {
			for i := range 5 {
				b.claims(key(fmt.Sprint("old", i)))
			}
			b.clock.advance(store.KeyLifetime - time.Second)
			b.sweeps(10, 0)
			b.claims(key("young"))
			b.clock.advance(time.Second + time.Microsecond)
			b.sweeps(2, 2)
			b.sweeps(10, 3)
			b.sweeps(10, 0)
			b.replays(key("young"))
		},
		"SweepMany": func(b *bed) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				for i := range 450 {
					if err := b.claimAndRecord(ctx, key(fmt.Sprint("old", i))); err != nil {
						return err
					}
				}
				return nil
			}))
			b.clock.advance(store.KeyLifetime)
			b.sweeps(0, 0)
			b.sweeps(-1, 0)
			b.sweeps(200, 200)
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				n, err := b.SweepKeys(ctx, 30)
				equal(b.T, "swept within a transaction", 30, n)
				return err
			}))
			b.sweeps(219, 219)
			b.sweeps(1000, 1)
		},
		"RecordTwice": func(b *bed) {
			b.claims(key("k"))
			if err := b.RecordResponse(b.ctx, key("k"), store.RecordedResponse{Status: 500}); err == nil {
				b.Error("a reply for a key that has one is recorded")
			}
			b.replays(key("k"))
		},
		"Twins": func(b *bed) { twins(b, []store.Store{b, b}) },
	}
}

func key(value string) store.Key {
	return store.Key{Account: account, Value: value, Fingerprint: "f1"}
}

func reply() store.RecordedResponse {
	return store.RecordedResponse{Status: 201, ContentType: "application/json", Body: []byte(`{"id": "x"}`)}
}

// claims fails the test unless the key can be claimed and gets its reply, in one transaction.
func (b *bed) claims(k store.Key) {
	b.Helper()
	check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error { return b.claimAndRecord(ctx, k) }))
}

func (b *bed) claimAndRecord(ctx context.Context, k store.Key) error {
	switch recorded, err := b.ClaimKey(ctx, k); {
	case err != nil:
		return err
	case recorded != nil:
		return fmt.Errorf("the key %q has a reply already", k.Value)
	}
	return b.RecordResponse(ctx, k, reply())
}

// replays fails the test unless the key has its reply.
func (b *bed) replays(k store.Key) {
	b.Helper()
	got, err := b.ClaimKey(b.ctx, k)
	check(b.T, err)
	want := reply()
	equal(b.T, "reply", &want, got)
}

func (b *bed) sweeps(limit, want int) {
	b.Helper()
	got, err := b.SweepKeys(b.ctx, limit)
	check(b.T, err)
	equal(b.T, "swept", want, got)
}

// twins sends every request many times at once, through all stores: each must take effect once, and all
// its senders must get the reply of that once.
func twins(b *bed, stores []store.Store) {
	const requests, senders = 5, 4
	var executed [requests]atomic.Int32
	each(b.T, requests*senders, func(i int) error {
		request := i / senders
		s := stores[i%len(stores)]
		return s.Atomically(b.ctx, func(ctx context.Context) error {
			k := key(fmt.Sprint(request))
			recorded, err := s.ClaimKey(ctx, k)
			if err != nil {
				return err
			}
			if recorded != nil {
				if string(recorded.Body) != k.Value {
					return fmt.Errorf("request %s got the reply of %s", k.Value, recorded.Body)
				}
				return nil
			}
			executed[request].Add(1)
			if _, err := s.CreateAgent(ctx, account, agentSpec()); err != nil {
				return err
			}
			return s.RecordResponse(ctx, k, store.RecordedResponse{Status: 201, Body: []byte(k.Value)})
		})
	})
	for request := range requests {
		equal(b.T, fmt.Sprintf("executions of request %d", request), 1, executed[request].Load())
	}
	list, err := b.ListAgents(b.ctx, account, store.Page{Limit: 100})
	check(b.T, err)
	equal(b.T, "agents", requests, len(list.Items))
}
