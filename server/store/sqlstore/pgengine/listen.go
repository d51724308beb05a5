package pgengine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// channel is the channel of the stores' notifications.
const channel = "sessions_notes"

// notifier implements engine.Notifier with LISTEN and NOTIFY.
//
// A pooler may accept both and yet deliver nothing. So a listener that hears nothing sends a notification to itself, over a
// connection of the pool as all others are sent. When that does not arrive, the listener is deaf.
type notifier struct {
	postgres *postgres
	// send sends a notification to all listeners.
	send func(ctx context.Context, payload string) error
}

// Notify implements engine.Notifier.
func (n *notifier) Notify(ctx context.Context, tx engine.Tx, payload string) error {
	return tx.Soon(ctx, notify, []any{channel, payload})
}

// Publish implements engine.Notifier.
func (n *notifier) Publish(ctx context.Context, payloads []string) error {
	steps := make([]engine.Step, len(payloads))
	for i, payload := range payloads {
		steps[i].Query = engine.Query{Text: notify, Args: []any{channel, payload}}
	}
	return n.postgres.hastily(ctx, steps...)
}

const notify = `SELECT pg_notify($1, $2)`

const (
	// listenCheck is how long a connection may be silent before it is checked, listenPatience how long a check may take.
	listenCheck    = 2 * time.Second
	listenPatience = 5 * time.Second
	// lookEvery is how often a listener that does not hear acts as if it had missed something.
	lookEvery = time.Second
	// unheardFor is how long a listener may be without a connection before the process is not ready.
	unheardFor = 10 * time.Second
)

// proofPrefix begins the payloads that listeners send to themselves. Those of stores are JSON objects.
const proofPrefix = "proof:"

var errDeaf = errors.New("PostgreSQL's notifications do not arrive: a pooler between the server and PostgreSQL must pool sessions")

// Listen uses a connection of its own. It calls missed whenever that has begun to listen, and every second while none
// does.
func (n *notifier) Listen(ctx context.Context, notified func(payload string), missed func()) {
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() {
		for ticker := time.NewTicker(lookEvery); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
				if n.postgres.hearing.since() > 0 {
					missed()
				}
			}
		}
	})
	n.postgres.kept.keep(ctx, "notifications", func(ctx context.Context, conn *pgx.Conn) error {
		err := n.listen(ctx, conn, notified, missed)
		n.postgres.hearing.lost(err)
		return err
	}, n.postgres.hearing.lost)
}

// listen returns why a connection does not hear, or nil when ctx ends.
func (n *notifier) listen(ctx context.Context, conn *pgx.Conn, notified func(payload string), missed func()) error {
	if err := within(ctx, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "LISTEN "+channel)
		return err
	}); err != nil {
		return err
	}
	missed()
	hear := func(payload string) {
		if !strings.HasPrefix(payload, proofPrefix) {
			notified(payload)
		}
	}
	if err := n.prove(ctx, conn, hear); err != nil {
		return err
	}
	for {
		payload, err := next(ctx, conn, listenCheck)
		switch {
		case err == nil:
			hear(payload)
			if n.postgres.hearing.since() < listenCheck {
				continue
			}
		case !errors.Is(err, errSilent):
			return err
		}
		if err := n.prove(ctx, conn, hear); err != nil {
			return err
		}
	}
}

// prove sends a notification and waits until it arrives. While none can be sent it only checks that the connection is
// there. Meanwhile it passes on what else arrives.
func (n *notifier) prove(ctx context.Context, conn *pgx.Conn, hear func(payload string)) error {
	proof := proofPrefix + rand.Text()
	waiting, giveUp := context.WithCancel(ctx)
	defer giveUp()
	sent := make(chan error, 1)
	go func() {
		err := within(ctx, func(ctx context.Context) error { return n.send(ctx, proof) })
		if err == nil {
			time.AfterFunc(listenPatience, giveUp)
		} else {
			giveUp()
		}
		sent <- err
	}()
	for {
		notification, err := conn.WaitForNotification(waiting)
		switch {
		case err == nil && notification.Payload == proof:
			<-sent
			n.postgres.hearing.heard()
			return nil
		case err == nil:
			hear(notification.Payload)
		case <-sent != nil && !conn.IsClosed():
			return within(ctx, conn.Ping)
		case ctx.Err() == nil && waiting.Err() != nil && !conn.IsClosed():
			return errDeaf
		default:
			return err
		}
	}
}

// sendProof sends a payload over a connection of the pool.
func (e *postgres) sendProof(ctx context.Context, payload string) error {
	return e.Read(ctx, engine.Query{Text: notify, Args: []any{channel, payload}}, func(engine.Scanner) error { return nil })
}

// errSilent is a connection on which nothing has arrived.
var errSilent = errors.New("nothing has arrived")

// next returns the payload of the next notification, or errSilent when none arrives within a time.
func next(ctx context.Context, conn *pgx.Conn, wait time.Duration) (payload string, err error) {
	quiet, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	n, err := conn.WaitForNotification(quiet)
	if err == nil {
		return n.Payload, nil
	}
	if ctx.Err() == nil && !conn.IsClosed() && errors.Is(err, context.DeadlineExceeded) {
		return "", errSilent
	}
	return "", err
}

// within bounds a call by listenPatience.
func within(ctx context.Context, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	return call(ctx)
}

// hearing is whether the notifications of the database arrive in this process.
type hearing struct {
	log *slog.Logger

	mu     sync.Mutex
	begun  chan struct{} // closed once it is known
	known  bool
	reason error     // why nothing is heard; nil while it is
	at     time.Time // since when
	deaf   bool      // a proof did not arrive since one did, or none ever did
	warned bool      // the log says that notifications do not arrive
}

func newHearing(log *slog.Logger) *hearing {
	return &hearing{log: log, begun: make(chan struct{}), reason: errors.New("no notification has arrived yet"), at: time.Now(), deaf: true}
}

// heard notes that a notification has arrived.
func (h *hearing) heard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.warned {
		h.log.Info("PostgreSQL's notifications arrive again", "after", time.Since(h.at).Round(time.Millisecond))
	}
	h.reason, h.deaf, h.warned = nil, false, false
	h.settle()
}

// lost notes why nothing is heard.
func (h *hearing) lost(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == nil {
		h.at = time.Now()
	}
	if h.reason = err; err == nil {
		h.reason = context.Canceled // it listens no more
	}
	h.warned = h.warned || errors.Is(err, errDeaf)
	h.deaf = h.deaf || h.warned
	h.settle()
}

func (h *hearing) settle() {
	if !h.known {
		h.known = true
		close(h.begun)
	}
}

// since returns for how long nothing was heard; 0 while something is.
func (h *hearing) since() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == nil {
		return 0
	}
	return max(time.Since(h.at), 1)
}

// check returns an error when notifications do not arrive. At first it waits until that is known. A connection that was
// lost a moment ago is no reason yet.
func (h *hearing) check(ctx context.Context) error {
	select {
	case <-h.begun:
	case <-ctx.Done():
		return errors.New("it is not known yet whether PostgreSQL's notifications arrive")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason != nil && (h.deaf || time.Since(h.at) > unheardFor) {
		return fmt.Errorf("nothing was heard for %s: %w", time.Since(h.at).Round(time.Second), h.reason)
	}
	return nil
}
