package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Signals tests Watch and Publish.
func (suite) Signals() map[string]test {
	return map[string]test{
		"OfEachChange": func(b *bed) {
			v, ear := b.session(), b.listen()
			for what, c := range map[string]struct {
				change func(s *store.Session)
				event  bool
				want   []bool // the State of each signal
			}{
				"nothing":          {func(*store.Session) {}, false, nil},
				"title":            {func(s *store.Session) { s.Title = "new" }, false, nil},
				"usage":            {func(s *store.Session) { s.Usage.InputTokens++ }, false, nil},
				"archived":         {func(s *store.Session) { s.ArchivedAt = &s.CreatedAt }, false, nil},
				"event":            {func(*store.Session) {}, true, []bool{false}},
				"event and usage":  {func(s *store.Session) { s.Usage.InputTokens++ }, true, []bool{false}},
				"status":           {func(s *store.Session) { s.Status += "x" }, false, []bool{true}},
				"event and status": {func(s *store.Session) { s.Status += "x" }, true, []bool{true}},
				"turn":             {func(s *store.Session) { s.Turn.ID += "x" }, false, []bool{true}},
				"lease":            {func(s *store.Session) { s.Turn.Lease++ }, false, []bool{true}},
				"pending":          {func(s *store.Session) { s.Turn.Pending = make([]store.PendingAction, 1) }, false, []bool{true}},
			} {
				s := b.Store
				if c.event {
					s = appending{s}
				}
				equal(b.T, what, c.want, ear.during(b, account, v.ID, func() {
					_, err := s.UpdateSession(b.ctx, account, v.ID, func(s *store.Session) error {
						c.change(s)
						return nil
					})
					check(b.T, err)
				}))
			}
			equal(b.T, "append of nothing", nil, ear.during(b, account, v.ID, func() { b.append(v.ID) }))
			equal(b.T, "deletion", []bool{true}, ear.during(b, account, v.ID, func() {
				check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			}))
		},
		"OfNothingUndone": func(b *bed) {
			v, ear := b.session(), b.listen()
			for what, do := range map[string]func(ctx context.Context) error{
				"append": func(ctx context.Context) error { b.starts(ctx, v.ID); return errStop },
				"update": func(ctx context.Context) error {
					_, err := b.UpdateSession(ctx, account, v.ID, func(s *store.Session) error { s.Status = "x"; return nil })
					check(b.T, err)
					return errStop
				},
				"deletion": func(ctx context.Context) error {
					check(b.T, b.DeleteSession(ctx, account, v.ID, allowed))
					return errStop
				},
				"failed change": func(ctx context.Context) error {
					_, _, err := b.AppendEvents(ctx, account, v.ID, startThen(func() error { return errStop }))
					return err
				},
				"kept part": func(ctx context.Context) error {
					check(b.T, b.Atomically(ctx, func(ctx context.Context) error { b.starts(ctx, v.ID); return nil }))
					return errStop
				},
			} {
				equal(b.T, what, nil, ear.during(b, account, v.ID, func() { fails(b.T, what, errStop, b.Atomically(b.ctx, do)) }))
				equal(b.T, what+" in a part", nil, ear.during(b, account, v.ID, func() {
					check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
						fails(b.T, what, errStop, b.Atomically(ctx, do))
						return nil
					}))
				}))
			}
		},
		"AfterTheCommit": func(b *bed) {
			v, ear := b.session(), b.listen()
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				b.starts(ctx, v.ID)
				check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
					b.starts(ctx, v.ID)
					return nil
				}))
				equal(b.T, "signals before the commit", 0, len(ear.all()))
				return nil
			}))
			ear.until(b, "a signal", func(heard []store.Signal) bool { return len(heard) > 0 })
		},
		"WithTheCommit": func(b *bed) {
			v, ear := b.session(), b.listen()
			session := store.SessionRef{Account: account, ID: v.ID}
			inc := store.Increment{Session: session, EventID: "evt_1", Text: "a"}
			fails(b.T, "a transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.PublishWith(ctx, inc))
				return errStop
			}))
			inc.Text = "b"
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.PublishWith(ctx, inc))
				b.starts(ctx, v.ID)
				return nil
			}))
			heard := ear.until(b, "both signals", func(heard []store.Signal) bool { return len(heard) >= 2 })
			equal(b.T, "signals", []store.Signal{{Session: session, Increment: &inc}, {Session: session, State: true}}, heard)
			if err := b.PublishWith(b.ctx, inc); err == nil {
				b.Error("an increment is published without a transaction")
			}
		},
		"OfTheRightSession": func(b *bed) {
			foreign, err := sessionKind().create(b.ctx, b, other)
			check(b.T, err)
			b.ids.restart()
			mine := b.create(sessionKind())
			equal(b.T, "id", foreign.id, mine.id)
			ear := b.listen()
			equal(b.T, "signals of another account's", nil, ear.during(b, other, foreign.id, func() { b.append(mine.id, someEvents()...) }))
			equal(b.T, "signals", []bool{false}, ear.during(b, account, mine.id, func() { b.append(mine.id, someEvents()...) }))
		},
		"InOrder":     func(b *bed) { inSignalOrder([]*bed{b}) },
		"LongText":    func(b *bed) { longIncrement([]*bed{b}) },
		"WakeReaders": func(b *bed) { wake([]*bed{b}) },
		"Stop": func(b *bed) {
			v, first, second := b.session(), b.listen(), b.listen()
			first.stop()
			first.stop()
			equal(b.T, "signals", []bool{false}, second.during(b, account, v.ID, func() { b.append(v.ID, someEvents()...) }))
			equal(b.T, "signals after stop", 0, len(first.all()))
		},
		"StopWithinACall": func(b *bed) {
			v, ear := b.session(), b.listen()
			var stop func()
			calls := make(chan store.Signal, 10)
			stop = b.Watch(func(s store.Signal) {
				if s != (store.Signal{}) { // which may come at any time
					stop()
					calls <- s
				}
			})
			b.append(v.ID, someEvents()...)
			equal(b.T, "signal", store.SessionRef{Account: account, ID: v.ID}, within(b, "a call", calls).Session)
			equal(b.T, "signals", []bool{false}, ear.during(b, account, v.ID, func() { b.append(v.ID, someEvents()...) }))
			equal(b.T, "calls after stop", 0, len(calls))
		},
		"WatchersComeAndGo": func(b *bed) {
			v, ear := b.session(), b.listen()
			const rounds = 20
			each(b.T, 8, func(i int) error {
				for range rounds {
					if i%2 == 0 {
						b.Watch(func(store.Signal) {})()
					} else if _, err := appended(b.ctx, b, account, v.ID, someEvents()[0]); err != nil {
						return err
					}
				}
				return nil
			})
			equal(b.T, "signals", []bool{false}, ear.during(b, account, v.ID, func() { b.append(v.ID, someEvents()[0]) }))
		},
	}
}

// inSignalOrder has what happens to a session, at each of the stores in turn, be heard in that order at all.
func inSignalOrder(beds []*bed) {
	b := beds[0]
	b.Helper()
	v := b.session()
	session := store.SessionRef{Account: account, ID: v.ID}
	for _, at := range beds {
		var ears []*ear
		for _, to := range beds {
			ears = append(ears, to.listen(), to.listen())
		}
		var want []store.Signal
		for i := range 12 {
			if i%3 == 2 {
				at.append(v.ID, someEvents()...)
				want = append(want, store.Signal{Session: session})
				continue
			}
			inc := store.Increment{Session: session, EventID: "evt_1", Offset: i, Text: fmt.Sprintf("%d 你好\n\"x\" 🙂", i)}
			check(at.T, at.Publish(at.ctx, inc))
			want = append(want, store.Signal{Session: session, Increment: &inc})
		}
		for _, e := range ears {
			got := e.until(b, "all signals", func(heard []store.Signal) bool { return len(heard) >= len(want) })
			equal(b.T, "signals", want, got)
		}
	}
	b.hasLog(account, v.ID, b.log(account, v.ID))
	equal(b.T, "events", 4*len(beds)*len(someEvents()), len(b.log(account, v.ID))) // increments are stored nowhere
}

// longIncrement publishes a text that may have to come in parts.
func longIncrement(beds []*bed) {
	b := beds[0]
	b.Helper()
	session := store.SessionRef{Account: account, ID: b.session().ID}
	ears := make([]*ear, len(beds))
	for i, at := range beds {
		ears[i] = at.listen()
	}
	want := strings.Repeat("0123 你好 🙂\n", 10_000)
	check(b.T, b.Publish(b.ctx, store.Increment{Session: session, EventID: "evt_1", Offset: 7, Text: want}))
	for _, e := range ears {
		joined := ""
		e.until(b, "the whole text", func(heard []store.Signal) bool {
			joined = ""
			for _, s := range heard {
				if s.Increment == nil || s.Increment.EventID != "evt_1" || s.Increment.Offset != 7+len(joined) {
					b.Fatalf("a part does not follow the one before: %+v", s)
				}
				joined += s.Increment.Text
			}
			return len(joined) >= len(want)
		})
		equal(b.T, "text", true, joined == want)
	}
}

// wake has a reader at each of the stores look at a log only when it is signalled to: it must miss nothing.
func wake(beds []*bed) {
	wakeTo(beds, func(at *bed, session string, last store.Event) (store.List[store.Event], error) {
		return at.ListEvents(at.ctx, account, session, store.EventFilter{}, store.Page{Limit: 7, Ascending: true, Cursor: last.ID})
	})
}

// wakeFollowers is wake with FollowEvents.
func wakeFollowers(beds []*bed) {
	wakeTo(beds, func(at *bed, session string, last store.Event) (store.List[store.Event], error) {
		return at.FollowEvents(at.ctx, account, session, last.Position, store.Page{Limit: 7})
	})
}

func wakeTo(beds []*bed, read func(at *bed, session string, last store.Event) (store.List[store.Event], error)) {
	b := beds[0]
	b.Helper()
	const writers, rounds = 4, 15
	session := b.create(sessionKind()).id
	ears := make([]*ear, len(beds))
	for i, at := range beds {
		ears[i] = at.listen()
	}
	each(b.T, writers+len(beds), func(i int) error {
		if i < writers {
			for range rounds {
				if _, err := appended(b.ctx, beds[i%len(beds)], account, session, someEvents()[0]); err != nil {
					return err
				}
			}
			return nil
		}
		at, log, last := beds[i-writers], 0, store.Event{}
		for heard := 0; ; {
			list, err := read(at, session, last)
			if err != nil {
				return err
			}
			if n := len(list.Items); n > 0 {
				log += n
				last = list.Items[n-1]
			}
			if log == writers*rounds {
				return nil
			}
			if list.HasMore {
				continue
			}
			if heard, err = ears[i-writers].beyond(heard); err != nil {
				return fmt.Errorf("%d events of %d are seen: %w", log, writers*rounds, err)
			}
		}
	})
}

// greeting is the session of the signals by which stores find out that they hear each other. No ear hears them.
const greeting = "sess_greeting"

// hearEachOther returns once each store hears another one: a store that was just opened may not do so yet.
func hearEachOther(beds []*bed) {
	for i, to := range beds {
		from, heard := beds[(i+1)%len(beds)], make(chan struct{})
		once := sync.OnceFunc(func() { close(heard) })
		stop := to.Watch(func(s store.Signal) {
			if s.Session.ID == greeting {
				once()
			}
		})
		deadline := time.After(patience)
		for ok := false; !ok; {
			check(from.T, from.Publish(from.ctx, store.Increment{Session: store.SessionRef{Account: account, ID: greeting}, Text: "x"}))
			select {
			case <-heard:
				ok = true
			case <-deadline:
				to.Fatal("it hears nobody")
			case <-time.After(5 * time.Millisecond):
			}
		}
		stop()
	}
}

// ear receives the signals of a store, except the zero Signal and greetings.
type ear struct {
	stop func()

	mu    sync.Mutex
	heard []store.Signal
	more  chan struct{} // closed when another one is heard
}

// listen returns an ear that hears what happens from now on, until the test's end.
func (b *bed) listen() *ear {
	e := &ear{more: make(chan struct{})}
	e.stop = b.Watch(func(s store.Signal) {
		if s == (store.Signal{}) || s.Session.ID == greeting {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, s)
		close(e.more)
		e.more = make(chan struct{})
	})
	b.Cleanup(e.stop)
	return e
}

func (e *ear) all() []store.Signal {
	heard, _ := e.now()
	return heard
}

// now returns what was heard, and what is closed when there is more.
func (e *ear) now() (heard []store.Signal, more chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard), e.more
}

// patience is how long tests wait for what must come.
const patience = time.Minute

// beyond waits until more than n signals were heard, and returns how many.
func (e *ear) beyond(n int) (int, error) {
	for {
		heard, more := e.now()
		if len(heard) > n {
			return len(heard), nil
		}
		select {
		case <-more:
		case <-time.After(patience):
			return n, fmt.Errorf("no signal after %d", n)
		}
	}
}

// until waits until what was heard is enough, and returns it.
func (e *ear) until(b *bed, what string, enough func(heard []store.Signal) bool) []store.Signal {
	b.Helper()
	for n := -1; ; {
		if heard := e.all(); len(heard) > n && enough(heard) {
			return heard
		} else {
			n = len(heard)
		}
		if _, err := e.beyond(n); err != nil {
			b.Fatalf("%s: %v: %+v", what, err, e.all())
		}
	}
}

// during returns the State of the signals of a session, equal neighbours once, that come of what do does.
func (e *ear) during(b *bed, account, session string, do func()) (states []bool) {
	b.Helper()
	begin, ref := len(e.all()), store.SessionRef{Account: account, ID: session}
	do()
	mark := store.Increment{Session: ref, EventID: fmt.Sprint("mark_", begin), Text: "x"}
	check(b.T, b.Publish(b.ctx, mark)) // comes after all that do has done to the session
	isMark := func(s store.Signal) bool { return s.Increment != nil && *s.Increment == mark }
	heard := e.until(b, "the mark", func(heard []store.Signal) bool { return slices.ContainsFunc(heard, isMark) })
	for _, s := range heard[begin:] {
		if s.Session == ref && s.Increment == nil {
			states = append(states, s.State)
		}
	}
	return slices.Compact(states)
}
