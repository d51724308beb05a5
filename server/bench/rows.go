package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// row is what is measured of both programs, side by side.
type row struct {
	name   string
	engine engine
	// prepare returns the row's load on a side; nil where the row is not about it.
	prepare func(ctx context.Context, s *side) (load, error)
	// longer is how many times the usual duration one measurement takes; 0 for once.
	longer int
}

// load is what a row asks of a program for a time.
type load interface {
	measure(ctx context.Context, duration time.Duration) (sample, error)
}

// The names of the rows that targets are about.
const (
	echoRow        = "(a) echo strict handler"
	bothChecksRow  = "(c) (b) + response check"
	createRow      = "create"
	listRow        = "list of 20"
	eventsRow      = "list of 100 events"
	oneTurnRow     = "turns, 1 session"
	manyTurnsRow   = "turns, 32 sessions"
	firstTurnRow   = "turn, the first of a session"
	laterTurnRow   = "turn, from the 1,000th of a session on"
	streamsRow     = "a turn's end to the last of the streams"
	onPostgres     = " on PostgreSQL"
	wholeTurns1    = "whole turns, 1 at a time" + onPostgres
	wholeTurns16   = "whole turns, 16 at a time" + onPostgres
	unanalyzedRow  = "get, of 20,000, never analyzed" + onPostgres
	analyzedRow    = "get, of 20,000, analyzed" + onPostgres
	throughputOver = 32 // connections
)

// rows returns all rows, in the order of the table.
func rows(o options) []row {
	list := []row{
		{name: "(0) fixed bytes, no server", prepare: variantLoad("0")},
		{name: echoRow, prepare: variantLoad("a")},
		{name: "(b) (a) + request check", prepare: variantLoad("b")},
		{name: bothChecksRow, prepare: variantLoad("c")},
	}
	for _, on := range []struct {
		engine engine
		suffix string
	}{{sqlite, ""}, {postgres, onPostgres}} {
		list = append(list,
			row{name: createRow + on.suffix, engine: on.engine, prepare: requestLoad(on.engine, createRequests)},
			row{name: "get, of 200" + on.suffix, engine: on.engine, prepare: requestLoad(on.engine, getRequests)},
			row{name: listRow + on.suffix, engine: on.engine, prepare: requestLoad(on.engine, listRequests)},
			row{name: "list of 100" + on.suffix, engine: on.engine, prepare: requestLoad(on.engine, func([]string) (requests, error) {
				return requests{Wire: [][]byte{call{method: http.MethodGet, path: "/sessions?limit=100"}.wire()}}, nil
			})},
			row{name: eventsRow + on.suffix, engine: on.engine, prepare: eventsLoad(on.engine)},
		)
	}
	return append(list,
		row{name: oneTurnRow, engine: sqlite, prepare: turnLoad(sqlite, turns{conversations: 1, length: 20})},
		row{name: manyTurnsRow, engine: sqlite, prepare: turnLoad(sqlite, turns{conversations: 32, length: 20})},
		row{name: "sends, 32 sessions", engine: sqlite, prepare: turnLoad(sqlite, turns{conversations: 32, length: 20, timed: justTheSend})},
		row{name: firstTurnRow, engine: sqlite, prepare: turnLoad(sqlite, turns{conversations: 1, length: 1})},
		row{name: laterTurnRow, engine: sqlite, prepare: laterLoad(999)},
		row{name: streamsRow, engine: sqlite, prepare: streamsLoad(o.streams)},
		row{name: wholeTurns1, engine: postgres, longer: 3, prepare: turnLoad(postgres, turns{conversations: 1, length: 1, timed: theWhole})},
		row{name: "whole turns, 4 at a time" + onPostgres, engine: postgres, longer: 3, prepare: turnLoad(postgres, turns{conversations: 4, length: 1, timed: theWhole})},
		row{name: wholeTurns16, engine: postgres, longer: 3, prepare: turnLoad(postgres, turns{conversations: 16, length: 1, timed: theWhole})},
		row{name: unanalyzedRow, engine: postgres, prepare: manyLoad(false)},
		row{name: analyzedRow, engine: postgres, prepare: manyLoad(true)},
	)
}

// served is where a server is, and what tells the CPU time that it has used.
type served struct {
	addr    string
	cpuTime func() (time.Duration, error)
}

// exchanges is a load: requests over keep-alive connections.
type exchanges struct {
	served
	list        requests
	connections int
}

// variantLoad is a variant without storage, of the working tree alone.
func variantLoad(key string) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		if s.revision != "" {
			return nil, nil
		}
		h, err := startHost(ctx, job{Variant: key})
		if err != nil {
			return nil, err
		}
		s.onStop(h.stop)
		return exchanges{h.served(), h.requests, throughputOver}, nil
	}
}

// requestLoad are requests to a program with seeded sessions.
func requestLoad(on engine, requestsFor func(ids []string) (requests, error)) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		p, err := s.program(ctx, on)
		if err != nil {
			return nil, err
		}
		list, err := requestsFor(p.sessions)
		return exchanges{p.served(), list, throughputOver}, err
	}
}

// eventsLoad are lists of a session's events.
func eventsLoad(on engine) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		p, err := s.program(ctx, on)
		if err != nil {
			return nil, err
		}
		c, err := p.converse(ctx, 20) // of six events each
		if err != nil {
			return nil, err
		}
		defer c.close()
		wire := call{method: http.MethodGet, path: "/sessions/" + c.session + "/events?limit=100"}.wire()
		return exchanges{p.served(), requests{Wire: [][]byte{wire}}, throughputOver}, nil
	}
}

// turnLoad are turns of a program.
func turnLoad(on engine, t turns) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		p, err := s.program(ctx, on)
		if err != nil {
			return nil, err
		}
		t := t
		t.served = p.served()
		return t, nil
	}
}

// laterLoad are turns of one session that had many before.
func laterLoad(before int) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		p, err := s.program(ctx, sqlite)
		if err != nil {
			return nil, err
		}
		c, err := p.converse(ctx, before)
		if err != nil {
			return nil, err
		}
		s.onStop(func() error { c.close(); return nil })
		return turns{served: p.served(), conversations: 1, length: 1, among: c}, nil
	}
}

// converse returns a conversation that has had so many turns.
func (p *program) converse(ctx context.Context, turns int) (*conversation, error) {
	c, err := newConversation(ctx, p.addr)
	if err != nil {
		return nil, err
	}
	for range turns {
		if err := c.turn(); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// many is how many sessions manyLoad fills a database with.
const many = 20_000

// manyLoad gets any of many sessions on a PostgreSQL that has statistics of them, or has none.
func manyLoad(analyzed bool) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		p, err := s.filled(ctx, analyzed)
		if err != nil {
			return nil, err
		}
		list, err := getRequests(p.sessions)
		return exchanges{p.served(), list, throughputOver}, err
	}
}

// createSome creates sessions of the demo account and returns their ids.
func createSome(ctx context.Context, addr string, n int) (ids []string, err error) {
	var mu sync.Mutex
	err = eachOf(throughputOver, func(i int) error {
		w, err := newWorker(ctx, addr)
		if err != nil {
			return err
		}
		defer w.conn.Close()
		w.keep = true
		for range (n + throughputOver - 1 - i) / throughputOver {
			if err := w.must(createCall().wire()); err != nil {
				return err
			}
			var session struct{ ID string }
			if err := json.Unmarshal(w.body, &session); err != nil {
				return err
			}
			mu.Lock()
			ids = append(ids, session.ID)
			mu.Unlock()
		}
		return nil
	})
	return ids, err
}
