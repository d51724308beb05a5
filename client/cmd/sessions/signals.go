package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals turns the first SIGINT or SIGTERM into the end of a context, so that the command tidies up; a further one
// ends the program at once, whatever it does. While a command watches over something else, SIGINT is first for that.
type signals struct {
	mu      sync.Mutex
	instead func() // for the next SIGINT; nil for none
}

// watchSignals begins; it goes on for as long as the process.
func watchSignals(parent context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	s := &signals{}
	received := make(chan os.Signal, 1)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	go func() {
		for sig := range received {
			if instead := s.take(); instead != nil && sig == os.Interrupt {
				instead()
				continue
			}
			signal.Stop(received)
			cancel()
			return
		}
	}()
	return ctx, s
}

func (s *signals) take() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	instead := s.instead
	s.instead = nil
	return instead
}

// during makes the next SIGINT call stop, which must not wait, and nothing else, until done is called.
func (s *signals) during(stop func()) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead = stop
	return func() { s.take() }
}
