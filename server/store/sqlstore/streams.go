package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// ShareStreams implements store.Streams. A process without open streams has no row, so that an idle one writes nothing. A
// row outlives a process that was killed by a hundred lifetimes, so that late reports and the deletion of old rows do not
// meet.
func (s *Store) ShareStreams(ctx context.Context, open map[string]int) (map[string]int, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	others := map[string]int{}
	if s.db.Notifier == nil {
		return others, nil
	}
	now := s.now()
	err := s.Atomically(ctx, func(ctx context.Context) error {
		if _, err := s.exec(ctx, `DELETE FROM open_streams WHERE process = $1 OR reported_at < $2`,
			s.id, toMicros(now.Add(-100*store.StreamsLifetime))); err != nil {
			return err
		}
		if len(open) > 0 {
			if _, err := s.exec(ctx, `INSERT INTO open_streams (process, counts, reported_at) VALUES ($1, $2, $3)
				ON CONFLICT (process) DO UPDATE SET counts = excluded.counts, reported_at = excluded.reported_at`,
				s.id, toJSON(open), toMicros(now)); err != nil {
				return err
			}
		}
		reports, err := all(ctx, s, func(row engine.Scanner) (counts map[string]int, err error) {
			return counts, row.Scan(fromJSON{&counts})
		}, `SELECT counts FROM open_streams WHERE process <> $1 AND reported_at > $2`, s.id, toMicros(now.Add(-store.StreamsLifetime)))
		for _, report := range reports {
			for account, n := range report {
				others[account] += n
			}
		}
		return err
	})
	return orZero(others, err)
}
