package sqlstore

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/server/store"
)

// sweepStep is how many rows one transaction removes at most for a sweep: some milliseconds of work.
const sweepStep = 100

// inSteps removes at most limit rows, each step in a transaction of its own: when a step fails, the steps before it have
// taken effect. A step removes at most as many rows as it is told. The last one reports that there are no more, or returns
// store.ErrNotFound.
func (s *Store) inSteps(ctx context.Context, limit int, step func(ctx context.Context, limit int) (removed int, more bool, err error)) (int, error) {
	total := 0
	for more := true; more && total < limit; {
		removed := 0
		err := s.Atomically(ctx, func(ctx context.Context) (err error) {
			removed, more, err = step(ctx, min(limit-total, sweepStep))
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return total, err
		}
		total += removed
	}
	return total, nil
}
