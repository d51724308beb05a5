package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Keys tests idempotency keys.
func (suite) Keys() map[string]test {
	return map[string]test{
		"Replay": func(b *bed) {
			k := key("k")
			b.claims(k)
			b.replays(k)
		},
		"BodyIsKept": func(b *bed) {
			for i, body := range []string{"", "{}\n", `{"名": "<&>\u0000"}`} {
				k := key(fmt.Sprint(i))
				want := store.RecordedResponse{Status: 201, ContentType: "text/x", Resource: "sess_1", Body: []byte(body), Reference: "made of"}
				b.records(k, want)
				got, err := b.ClaimKey(b.ctx, k)
				check(b.T, err)
				equal(b.T, "recorded", &store.RecordedKey{Key: k, Response: want}, got)
			}
		},
		"OtherFingerprint": func(b *bed) {
			k := key("k")
			b.claims(k)
			reused := k
			reused.Request, reused.Fingerprint = "DELETE /x", "f2"
			got, err := b.ClaimKey(b.ctx, reused)
			check(b.T, err)
			equal(b.T, "the key of another request", &store.RecordedKey{Key: k, Response: reply()}, got)
			b.replays(k)
		},
		"OtherAccount": func(b *bed) {
			k := key("k")
			b.claims(k)
			foreign := store.Key{Account: other, Value: k.Value, Request: "POST /y", Fingerprint: "f2"}
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
				recorded, err := b.ClaimKey(b.ctx, k)
				check(b.T, err)
				equal(b.T, "recorded", nil, recorded)
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
		"Bytes": func(b *bed) {
			occupied := func(acc string) int64 {
				b.Helper()
				n, err := b.KeyBytes(b.ctx, acc)
				check(b.T, err)
				return n
			}
			equal(b.T, "bytes without keys", 0, occupied(account))
			b.records(key("small"), store.RecordedResponse{Status: 201})
			small := occupied(account)
			if small < int64(len("small")) || small > 1024 {
				b.Errorf("%d bytes for a key without a body", small)
			}
			b.records(key("large"), store.RecordedResponse{Status: 201, Resource: "agent_1", Body: bytes.Repeat([]byte("x"), 10_000)})
			if n := occupied(account) - small; n < 10_000 || n > 11_000 {
				b.Errorf("%d bytes for 10,000", n)
			}
			equal(b.T, "another account's bytes", 0, occupied(other))
			b.clock.advance(store.KeyLifetime)
			b.sweeps(10, 2)
			equal(b.T, "bytes after the sweep", 0, occupied(account))
		},
		"Secret": func(b *bed) {
			secret := func(name string) []byte {
				b.Helper()
				got, err := b.Secret(b.ctx, name)
				check(b.T, err)
				return got
			}
			first := secret("a")
			equal(b.T, "length", 32, len(first))
			equal(b.T, "the same secret", first, secret("a"))
			if slices.Equal(first, secret("b")) {
				b.Error("two names have one secret")
			}
		},
		"ErasedWithItsResource": func(b *bed) {
			agent, environment, session := b.agent().ID, b.environment().ID, b.session().ID
			for resource, remove := range map[string]func() error{
				session: func() error {
					return b.DeleteSession(b.ctx, account, session, func(store.Session) error { return nil })
				},
				agent:       func() error { return b.DeleteAgent(b.ctx, account, agent) },
				environment: func() error { return b.DeleteEnvironment(b.ctx, account, environment) },
			} {
				shows := store.RecordedResponse{Status: 201, ContentType: "text/x", Resource: resource, Body: []byte("secret"), Reference: "made of"}
				k, twin, foreign := key(resource), key("twin of "+resource), store.Key{Account: other, Value: resource}
				b.records(k, shows)
				b.records(twin, shows)
				b.records(foreign, shows)
				b.claims(key("stays beside " + resource))
				check(b.T, remove())
				for _, erased := range []store.Key{k, twin} {
					got, err := b.ClaimKey(b.ctx, erased)
					check(b.T, err)
					equal(b.T, "after the deletion", &store.RecordedKey{Key: erased, Erased: true, Response: store.RecordedResponse{
						Status: 201, ContentType: "text/x", Body: []byte{}}}, got)
				}
				got, err := b.ClaimKey(b.ctx, foreign)
				check(b.T, err)
				equal(b.T, "another account's response", &store.RecordedKey{Key: foreign, Response: shows}, got)
				b.replays(key("stays beside " + resource))
				before, err := b.KeyBytes(b.ctx, account)
				check(b.T, err)
				b.records(key("again "+resource), store.RecordedResponse{Status: 201, Body: bytes.Repeat([]byte("x"), 1000)})
				after, err := b.KeyBytes(b.ctx, account)
				check(b.T, err)
				if after-before < 1000 {
					b.Errorf("%d bytes more", after-before)
				}
			}
		},
		"ManyErasedWithTheirSession": func(b *bed) {
			session := b.session().ID
			name := func(i int) store.Key { return key(fmt.Sprint("k", i)) }
			const many = 250
			for i := range many {
				b.records(name(i), store.RecordedResponse{Status: 200, Resource: session, Body: []byte("secret")})
			}
			check(b.T, b.DeleteSession(b.ctx, account, session, func(store.Session) error { return nil }))
			_, err := b.SweepEvents(b.ctx, 1000)
			check(b.T, err)
			for i := range many {
				got, err := b.ClaimKey(b.ctx, name(i))
				check(b.T, err)
				if got == nil || !got.Erased || len(got.Response.Body) > 0 {
					b.Fatalf("key %d: %+v", i, got)
				}
			}
		},
		"Twins": func(b *bed) { twins(b, []store.Store{b, b}) },
	}
}

func key(value string) store.Key {
	return store.Key{Account: account, Value: value, Request: "POST /x", Fingerprint: "f1"}
}

func reply() store.RecordedResponse {
	return store.RecordedResponse{Status: 201, ContentType: "application/json", Body: []byte(`{"id": "x"}`)}
}

// records fails the test unless the key can be claimed and gets that response, in one transaction.
func (b *bed) records(k store.Key, r store.RecordedResponse) {
	b.Helper()
	check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
		if recorded, err := b.ClaimKey(ctx, k); err != nil || recorded != nil {
			return fmt.Errorf("claimed: %+v, %w", recorded, err)
		}
		return b.RecordResponse(ctx, k, r)
	}))
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
	equal(b.T, "recorded", &store.RecordedKey{Key: k, Response: reply()}, got)
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
				if body := string(recorded.Response.Body); body != k.Value {
					return fmt.Errorf("request %s got the reply of %s", k.Value, body)
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
