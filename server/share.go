package server

import (
	"context"
	"maps"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// shareEvery is how often a process tells the others how many streams it has open, and shareChanged how soon
	// after that has changed.
	shareEvery   = store.StreamsLifetime / 3
	shareChanged = store.StreamsLifetime / 24
)

// share makes the bound on an account's streams hold for all processes together, but for the moment that it takes to
// tell, until ctx ends. While the database is away, what was told last counts.
func (s *Server) share(ctx context.Context) {
	var told map[string]int
	var at time.Time
	for ticker := time.NewTicker(shareChanged); ; {
		if open := s.broker.ByAccount(); time.Since(at) >= shareEvery || !maps.Equal(open, told) {
			if others, err := s.store.ShareStreams(ctx, open); err == nil {
				s.broker.Elsewhere(others)
				told, at = open, time.Now()
			}
		}
		select {
		case <-ctx.Done():
			ticker.Stop()
			s.shareNone(ctx)
			return
		case <-ticker.C:
		}
	}
}

// shareNone tells the others that the streams of this process, which is to stop, are theirs now.
func (s *Server) shareNone(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := s.store.ShareStreams(ctx, nil); err != nil {
		s.log.Warn("open streams still count", "error", err)
	}
}
