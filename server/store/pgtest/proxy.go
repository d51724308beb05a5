package pgtest

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy is a network between a database and those that connect to it by its URL: the test can make it fail.
type Proxy struct {
	// URL is the database's, through the proxy.
	URL string

	listener net.Listener
	calls    sync.WaitGroup

	mu      sync.Mutex
	state   state
	changed chan struct{} // closed when the state changes
	conns   map[net.Conn]bool
}

type state struct {
	cut, stalled, closed bool
	delay                time.Duration
	network, address     string // of the database
}

// NewProxy returns a proxy that passes everything on, until the test ends.
func NewProxy(t testing.TB, database string) *Proxy {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.state.network, p.state.address = pgconn.NetworkAddress(config.Host, config.Port)
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("host")
	query.Del("port")
	u.Host, u.RawQuery = p.listener.Addr().String(), query.Encode()
	p.URL = u.String()
	p.calls.Go(p.accept)
	t.Cleanup(func() {
		p.set(func(s *state) { s.become(state{cut: true, closed: true}) })
		_ = p.listener.Close()
		p.calls.Wait()
	})
	return p
}

// Cut ends all connections, and new ones as soon as they are made.
func (p *Proxy) Cut() { p.set(func(s *state) { s.become(state{cut: true}) }) }

// Stall keeps connections, and accepts new ones, but passes nothing on, as if the other side had vanished.
func (p *Proxy) Stall() { p.set(func(s *state) { s.become(state{stalled: true}) }) }

// Delay passes everything on, each way after that time.
func (p *Proxy) Delay(each time.Duration) { p.set(func(s *state) { s.become(state{delay: each}) }) }

// Restore passes everything on, also what was held back.
func (p *Proxy) Restore() { p.Delay(0) }

// Move has new connections lead to another database. It keeps those that exist.
func (p *Proxy) Move(t testing.TB, database string) {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	p.set(func(s *state) { s.network, s.address = pgconn.NetworkAddress(config.Host, config.Port) })
}

// become replaces all but where the database is.
func (s *state) become(next state) {
	next.network, next.address = s.network, s.address
	*s = next
}

func (p *Proxy) set(change func(*state)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.closed {
		return
	}
	change(&p.state)
	close(p.changed)
	p.changed = make(chan struct{})
	if p.state.cut {
		for conn := range p.conns {
			_ = conn.Close()
		}
	}
}

func (p *Proxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		network, address := p.state.network, p.state.address
		p.mu.Unlock()
		to, err := net.Dial(network, address)
		if err != nil {
			_ = from.Close()
			continue
		}
		p.mu.Lock()
		p.conns[from], p.conns[to] = true, true
		if p.state.cut {
			_, _ = from.Close(), to.Close()
		}
		p.mu.Unlock()
		p.calls.Go(func() { p.pump(to, from) })
		p.calls.Go(func() { p.pump(from, to) })
	}
}

// pump passes on what comes from one side until either is closed, and closes both.
func (p *Proxy) pump(to, from net.Conn) {
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, from)
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !p.pass() {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// pass returns when something may be passed on, and false when nothing ever will be.
func (p *Proxy) pass() bool {
	delayed := false
	for {
		p.mu.Lock()
		s, changed := p.state, p.changed
		p.mu.Unlock()
		var timer <-chan time.Time
		switch {
		case s.cut:
			return false
		case s.stalled:
		case s.delay == 0 || delayed:
			return true
		default:
			timer = time.After(s.delay)
		}
		select {
		case <-changed:
		case <-timer:
			delayed = true
		}
	}
}
