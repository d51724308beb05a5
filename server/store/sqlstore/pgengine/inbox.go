package pgengine

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/semaphore"
)

const (
	// largeMessage is the size, in bytes, from which a message of PostgreSQL needs room to be read.
	largeMessage = 256 << 10
	// inboxBytes is the room for all connections of a pool together. A message that is larger takes all of it.
	inboxBytes = 32 << 20
)

// inbox bounds the memory into which the connections of a pool read large rows at a time: how large a row is, nobody knows
// before it comes, so that callers reserve what it takes only once it is there.
type inbox struct {
	room *semaphore.Weighted
	// patience is how long a connection waits for room; then it fails.
	patience time.Duration
}

func newInbox(patience time.Duration) *inbox {
	return &inbox{room: semaphore.NewWeighted(inboxBytes), patience: patience}
}

// frontend implements pgconn.BuildFrontendFunc.
func (i *inbox) frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	return pgproto3.NewFrontend(&messageReader{from: r, inbox: i}, w)
}

// messageReader reads the messages of one connection, unchanged: a type of one byte and a length of four, which counts
// itself, then the rest. Before it returns the header of a large message, it waits for room, which it gives back when it
// has returned the message's end. It returns nothing beyond that end at the same time: pgx would read that into the same
// buffer, ahead of the room for it.
type messageReader struct {
	from   io.Reader
	inbox  *inbox
	header []byte // of the next message, as far as it was read
	rest   int    // bytes of the current message that were not read
	held   int64
}

const headerSize = 5

// Read implements io.Reader.
func (r *messageReader) Read(p []byte) (int, error) {
	if r.held > 0 {
		p = p[:min(len(p), r.rest)]
	}
	n, err := r.from.Read(p)
	if waited := r.follow(p[:n]); err == nil {
		err = waited
	}
	if err != nil || r.rest == 0 {
		r.inbox.room.Release(r.held)
		r.held = 0
	}
	return n, err
}

// follow finds the messages in what was read.
func (r *messageReader) follow(read []byte) error {
	for len(read) > 0 {
		if r.rest > 0 {
			n := min(r.rest, len(read))
			r.rest, read = r.rest-n, read[n:]
			continue
		}
		n := min(headerSize-len(r.header), len(read))
		r.header, read = append(r.header, read[:n]...), read[n:]
		if len(r.header) < headerSize {
			return nil
		}
		r.rest = max(int(binary.BigEndian.Uint32(r.header[1:]))-(headerSize-1), 0)
		r.header = r.header[:0]
		if r.rest-len(read) >= largeMessage {
			if err := r.wait(); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait waits for room for the current message.
func (r *messageReader) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), r.inbox.patience)
	defer cancel()
	size := min(int64(r.rest), inboxBytes)
	if r.inbox.room.Acquire(ctx, size) != nil {
		return fmt.Errorf("no memory to read a row of %d bytes: %w", r.rest, os.ErrDeadlineExceeded)
	}
	r.held = size
	return nil
}
