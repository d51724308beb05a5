package sqliteengine

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// watchEvery is how often a server looks after its files.
const watchEvery = time.Second

// watch looks after the files of the database until unwatch is called. What is wrong is logged once, and once that it is
// over.
func (e *pools) watch(log *slog.Logger) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	e.unwatch = func() {
		stop()
		<-done
	}
	go func() {
		defer close(done)
		var files, helper condition
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			err := e.helper.renew()
			if errors.Is(err, errLocked) {
				e.files.lose(served(e.files.path))
			}
			helper.log(log, "the helper file of the database", err)
			files.log(log, "the database", e.files.check())
		}
	}()
}

// condition is whether something is wrong.
type condition struct{ wrong bool }

// log logs that the condition of what has changed.
func (c *condition) log(log *slog.Logger, what string, err error) {
	switch {
	case err != nil && !c.wrong:
		log.Error(what+" cannot be used", "error", err)
	case err == nil && c.wrong:
		log.Info(what + " can be used again")
	}
	c.wrong = err != nil
}
