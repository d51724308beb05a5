package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// emptyDatabase skips the test where there is none for the variant.
func emptyDatabase(t testing.TB, v variant) string {
	if v.engine == postgres {
		return pgtest.NewDatabase(t)
	}
	db, err := databases{dir: t.TempDir()}.fresh(v, "sessions")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// BenchmarkPipeline answers one request in process, without a network, for each variant: what it costs
// and allocates beside (a) is what checks, storage and observation add.
func BenchmarkPipeline(b *testing.B) {
	for _, v := range variants() {
		if v.key == "0" {
			continue
		}
		b.Run(v.key, func(b *testing.B) {
			s, err := v.prepare(b.Context(), emptyDatabase(b, v))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.close() })
			c, err := newCaller(s)
			if err != nil {
				b.Fatal(err)
			}
			if err := c.call(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Validating a request and its response, (c), takes at most 1.3 times the allocations of the bare handler, (a).
func TestAllocations(t *testing.T) {
	perRequest := map[string]float64{}
	for _, v := range variants() {
		if v.key != "a" && v.key != "c" {
			continue
		}
		s, err := v.prepare(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := newCaller(s)
		if err != nil {
			t.Fatal(err)
		}
		perRequest[v.key] = testing.AllocsPerRun(100, func() {
			if err := c.call(); err != nil {
				t.Fatal(err)
			}
		})
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	if ratio := perRequest["c"] / perRequest["a"]; !(ratio <= 1.3) {
		t.Errorf("%v allocations for a request, %.2f times those of (a), want at most 1.3", perRequest, ratio)
	}
}

// Every variant answers over TCP, again and again on one connection: the generator reads each answer to
// its end and no further.
func TestVariants(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.key, func(t *testing.T) {
			t.Parallel()
			s, err := v.prepare(t.Context(), emptyDatabase(t, v))
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			listening, ended := make(chan string, 1), make(chan error, 1)
			go func() { ended <- s.serve(ctx, func(baseURL string) { listening <- baseURL }) }()
			w, err := newWorker(ctx, strings.TrimPrefix(<-listening, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if status, err := w.exchange(s.requests.Wire[0]); err != nil || status/100 != 2 {
					t.Errorf("%d, %v", status, err)
				}
			}
			if n := w.in.Buffered(); n != 0 {
				t.Errorf("%d bytes of the last answer are left", n)
			}
			_ = w.conn.Close()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A conversation reads its stream to the end of each turn.
func TestConversation(t *testing.T) {
	s, err := openServer(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "sessions.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(baseURL string) { listening <- baseURL }) }()
	p := &program{addr: strings.TrimPrefix(<-listening, "http://")}
	if p.sessions, err = createSome(ctx, p.addr, 3); err != nil || len(p.sessions) != 3 {
		t.Errorf("%q, %v", p.sessions, err)
	}
	c, err := p.converse(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	another, err := newWorkerFrom(ctx, "", p.addr, 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer another.conn.Close()
	if err := another.openStream(c.session); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it begins with the turns before
		if err := another.untilIdle(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.turn(); err != nil {
		t.Error(err)
	}
	if err := another.untilIdle(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A filled database is one that the server serves.
func TestFill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	f, err := fill(t.Context(), path, 100)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openServer(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	at := served{web.Listener.Addr().String(), func() (time.Duration, error) { return 0, nil }}
	for _, op := range operations() {
		_, err := op.load(f, at, 2).measure(t.Context(), 50*time.Millisecond)
		for patience := time.Second; errors.Is(err, errNothing) && patience < time.Minute; patience *= 2 { // the machine is busy
			_, err = op.load(f, at, 2).measure(t.Context(), patience)
		}
		if err != nil {
			t.Errorf("%s: %v", op.name, err)
		}
	}
}
