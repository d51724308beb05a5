package server

import (
	"context"
	"maps"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// shareEvery is how often a process publishes how many streams it has open, and shareChanged how soon after the
	// number has changed.
	shareEvery   = store.StreamsLifetime / 3
	shareChanged = store.StreamsLifetime / 24
)

// shareStreamCounts keeps the bound on an account's streams for all processes together, until ctx ends: it publishes the
// counts of this process and reads those of the others. A count is at most shareChanged old, and older while the database
// is not available.
func (s *Server) shareStreamCounts(ctx context.Context) {
	var published map[string]int
	var at time.Time
	for ticker := time.NewTicker(shareChanged); ; {
		if open := s.broker.ByAccount(); time.Since(at) >= shareEvery || !maps.Equal(open, published) {
			if others, err := s.store.ShareStreams(ctx, open); err == nil {
				s.broker.Elsewhere(others)
				published, at = open, time.Now()
			}
		}
		select {
		case <-ctx.Done():
			ticker.Stop()
			s.releaseStreamCounts(ctx)
			return
		case <-ticker.C:
		}
	}
}

// releaseStreamCounts publishes that this process, which is about to stop, has no streams open.
func (s *Server) releaseStreamCounts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := s.store.ShareStreams(ctx, nil); err != nil {
		s.log.Warn("the count of open streams was not released", "error", err)
	}
}
